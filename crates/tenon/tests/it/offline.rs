//! The whole development loop as a newcomer meets it: a new project, a server, a simulated provider, a recording.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::project::{Project, Ran};

/// A command that runs beside the test and ends with it.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line that holds `text`.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "it ended before it said `{text}`");
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

fn post(address: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_newcomer_gets_from_nothing_to_a_replayed_recording() {
    let project = Project::empty();
    assert_eq!(project.run(&["init"]).code, 0);
    let port = free_port();
    let flags = ["dev", "--port", &port, "--connect-port", "0", "--no-demo"];
    let mut dev = Running::start(project.tenon(&flags));
    dev.line_with("is ready");
    let mut simulator =
        Running::start(project.tenon(&["simulate", "bookshop", "--port", "0", "--connect"]));
    let line = simulator.line_with("simulating bookshop on http://");
    let address = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    simulator.line_with("connection `simulated` of integration `bookshop` in `dev` leads here");

    let dryrun = |arguments: &[&str]| -> Ran {
        let all = [&["dryrun"], arguments].concat();
        project.run(&all)
    };
    let ran = dryrun(&["orders", "simulated", "--save"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("Order: 3 saved\n"), "{}", ran.out);
    assert!(
        ran.out
            .ends_with("it replays: `tenon test` passes with it\n"),
        "{}",
        ran.out
    );
    let input = r#"{"customer":"Ada Lovelace","titles":["Notes"]}"#;
    let ran = dryrun(&["create-order", "simulated", "-i", input, "--validate"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("\"id\": \"1004\""), "{}", ran.out);
    let ran = project.run(&["test"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "2 passed, 0 failed\n"),
        "{ran:?}"
    );

    // The dial: what the provider does wrong reaches the function as it would.
    let answer = post(&address, "/__simulator", r#"{"expired":1}"#);
    assert!(answer.contains(r#"{"expired":1}"#), "{answer}");
    let ran = dryrun(&["orders", "simulated"]);
    assert_eq!(ran.code, 12, "{ran:?}");
    assert!(ran.err.contains("the API answered 401"), "{}", ran.err);
    let answer = post(&address, "/__simulator", r#"{"expired":0,"tea":1}"#);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    post(&address, "/__simulator", r#"{"expired":0,"503":2}"#);
    let ran = dryrun(&["orders", "simulated"]);
    assert_eq!(ran.code, 0, "the proxy tries again: {ran:?}");
    simulator.line_with("503 GET /v1/orders");
    let answer = post(&address, "/v1/elsewhere", "");
    assert!(
        answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 503"),
        "{answer}"
    );
}

#[test]
fn a_provider_of_the_catalogue_can_be_led_to_a_simulator() {
    let project = Project::empty();
    project.write(
        "github/tests/issues.test.json",
        r#"{"api":{"get":{"/issues":{"response":[],"status":200}}},"nango":{}}"#,
    );
    let flags = [
        "simulate",
        "github",
        "--port",
        "0",
        "--provider-file",
        "sim.yaml",
    ];
    let mut simulator = Running::start(project.tenon(&flags));
    let line = simulator.line_with("simulating github on http://");
    let address = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let text = std::fs::read_to_string(project.root().join("sim.yaml")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let provider = &file["github"];
    assert_eq!(provider["proxy"]["base_url"], format!("http://{address}"));
    assert_eq!(
        provider["token_url"],
        format!("http://{address}/__simulator/token")
    );
    assert_eq!(provider["auth_mode"], "OAUTH2");
    // It is a provider file that every command takes.
    let ran = project.run(&["test", "--providers", "sim.yaml"]);
    assert!(
        ran.out.ends_with("0 passed, 0 failed, 1 skipped\n"),
        "{ran:?}"
    );

    let token = post(address, "/__simulator/token", "grant_type=refresh_token");
    assert!(token.contains(r#""access_token":"simulated-1""#), "{token}");
    let missing = project.run(&["simulate", "gitlab"]);
    assert_eq!(missing.code, 1);
    assert!(
        missing.err.contains("`tenon dryrun --save` records them"),
        "{}",
        missing.err
    );
}
