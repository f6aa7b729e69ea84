//! `tenon watch`, against a server that remembers.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use serde_json::json;

use crate::{
    fake_server::FakeServer,
    project::{CLOSE, Project},
};

/// Ends with the test.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_save_is_deployed() {
    let server = FakeServer::start(&[
        ("/sync/deploy/confirmation", 200, json!({})),
        ("/sync/deploy", 200, json!([])),
    ]);
    let project = Project::new();
    let mut command = project.tenon(&["watch"]);
    command
        .env("NANGO_HOSTPORT", &server.url)
        .env("NANGO_SECRET_KEY", "k")
        .stdout(Stdio::null());
    let _watching = Watching(command.spawn().unwrap());
    server.wait_for(2);

    project.write("desk/actions/close-ticket.ts", "export default 1;");
    project.write(
        "desk/actions/close-ticket.ts",
        &CLOSE.replace("Closes a ticket", "Closes it"),
    );
    let asked = server.wait_for(4);
    let metadata = &asked[3].body["flowConfigs"][1]["metadata"];
    assert_eq!(metadata["description"], "Closes it");

    project.write("desk/on-events/again.ts", crate::project::WELCOME);
    project.write(
        "index.ts",
        &format!(
            "{}import './desk/on-events/again.js';\n",
            crate::project::INDEX
        ),
    );
    let asked = server.wait_for(6);
    assert_eq!(
        asked[5].body["onEventScriptsByProvider"][0]["scripts"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_mistake_that_was_undone_is_said_to_be_gone() {
    let server = FakeServer::start(&[
        ("/sync/deploy/confirmation", 200, json!({})),
        ("/sync/deploy", 200, json!([])),
    ]);
    let project = Project::new();
    let mut command = project.tenon(&["watch"]);
    command
        .env("NANGO_HOSTPORT", &server.url)
        .env("NANGO_SECRET_KEY", "k")
        .stdout(Stdio::piped());
    let mut watching = Watching(command.spawn().unwrap());
    let mut lines = BufReader::new(watching.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    server.wait_for(2);

    project.write("desk/actions/close-ticket.ts", "export default 1;");
    lines
        .find(|line| line.contains("close-ticket.ts"))
        .expect("the mistake is told");
    project.write("desk/actions/close-ticket.ts", CLOSE);
    lines
        .find(|line| line.contains("No mistakes left"))
        .expect("its end is told");
    assert_eq!(server.asked().len(), 2, "nothing was deployed for it");
}

#[test]
fn types_are_checked_behind_the_deployment() {
    let server = FakeServer::start(&[
        ("/sync/deploy/confirmation", 200, json!({})),
        ("/sync/deploy", 200, json!([])),
    ]);
    let project = Project::new();
    project.fake_tsc("desk/mappers/to-ticket.ts(4,5): error TS2322: Type 'string' is not assignable to type 'number'.");
    let mut command = project.tenon(&["watch"]);
    command
        .env("NANGO_HOSTPORT", &server.url)
        .env("NANGO_SECRET_KEY", "k")
        .stdout(Stdio::piped());
    let mut watching = Watching(command.spawn().unwrap());
    let lines = BufReader::new(watching.0.stdout.take().unwrap()).lines();
    let complaint = lines
        .map(Result::unwrap)
        .find(|line| line.contains("TS2322"))
        .unwrap();
    assert_eq!(
        complaint,
        "desk/mappers/to-ticket.ts:4:5: Type 'string' is not assignable to type 'number' (TS2322)"
    );
    assert_eq!(server.asked().len(), 2, "it was deployed before");
}

#[test]
fn a_refused_deployment_is_tried_again() {
    let refused = json!({"error":{"code":"unknown_provider_config","message":"there is no integration desk"}});
    let server = FakeServer::start(&[
        ("/sync/deploy/confirmation", 200, json!({})),
        ("/sync/deploy", 400, refused),
    ]);
    let project = Project::new();
    let mut command = project.tenon(&["watch"]);
    command
        .env("NANGO_HOSTPORT", &server.url)
        .env("NANGO_SECRET_KEY", "k")
        .stdout(Stdio::null());
    let _watching = Watching(command.spawn().unwrap());
    server.wait_for(2);
    server.answer("/sync/deploy", 200, json!([]));
    server.wait_for(4);
}
