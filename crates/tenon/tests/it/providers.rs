//! `tenon providers`: the catalogue and files of one's own.

use serde_json::Value;

use crate::project::Project;

const OWN: &str = "\
acme:
  display_name: Acme
  categories: [crm]
  auth_mode: API_KEY
  proxy: { base_url: https://api.acme.test, headers: { x-key: '${apiKey}' }, verification: { endpoints: [/me] } }
our-calendar:
  alias: google-calendar
  display_name: Our calendar
";

#[test]
fn providers_are_listed_by_search_mode_and_category() {
    let project = Project::empty();
    project.write("own.yaml", OWN);
    let ran = project.run(&["providers", "list", "zendesk"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("zendesk "), "{}", ran.out);
    assert!(
        ran.out.contains("OAUTH2") && ran.out.contains("support"),
        "{}",
        ran.out
    );

    let flags = [
        "providers",
        "list",
        "--mode",
        "api_key",
        "--category",
        "crm",
        "--providers",
        "own.yaml",
        "--json",
    ];
    let ran = project.run(&flags);
    let list: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert!(list.len() > 5);
    assert!(list.iter().all(|one| one["auth_mode"] == "API_KEY"));
    assert!(list.iter().any(|one| one["name"] == "acme"), "{}", ran.out);

    let ran = project.run(&["providers", "list", "no-such-thing"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
}

#[test]
fn an_entry_is_shown_as_it_is_in_effect_with_the_source_of_each_key() {
    let project = Project::empty();
    project.write("own.yaml", OWN);
    let ran = project.run(&[
        "providers",
        "show",
        "our-calendar",
        "--sources",
        "--providers",
        "own.yaml",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let place = |text: &str| {
        ran.out
            .find(text)
            .unwrap_or_else(|| panic!("`{text}` is not in\n{}", ran.out))
    };
    assert!(place("# our-calendar, own.yaml\n") < place("display_name: Our calendar\n"));
    assert!(
        place("# google, providers/google.yaml\n")
            < place("token_url: https://oauth2.googleapis.com/token\n")
    );

    // What is printed loads again and means the same.
    let shown = project.run(&["providers", "show", "google-calendar"]);
    let indented: String = shown
        .out
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect();
    let without_alias = indented.replace("  alias: google\n", "");
    project.write("again.yaml", &format!("again:\n{without_alias}"));
    let again = project.run(&[
        "providers",
        "show",
        "again",
        "--json",
        "--providers",
        "again.yaml",
    ]);
    let mut first: Value = serde_json::from_str(
        &project
            .run(&["providers", "show", "google-calendar", "--json"])
            .out,
    )
    .unwrap();
    let second: Value = serde_json::from_str(&again.out).unwrap();
    first["entry"].as_object_mut().unwrap().remove("alias");
    assert_eq!(first["entry"], second["entry"]);

    let ran = project.run(&["providers", "show", "zendesc"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("did you mean `zendesk`?"), "{}", ran.err);
}

#[test]
fn lint_names_file_line_entry_key_and_what_was_meant() {
    let project = Project::empty();
    project.write("own.yaml", OWN);
    let ran = project.run(&["providers", "lint", "own.yaml"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "1 files, 0 errors, 0 warnings\n")
    );

    project.write(
        "more.yaml",
        "mine:\n  alias: acme\n  tokn_url: https://a.test\n  body_format: yaml\n",
    );
    let ran = project.run(&["providers", "lint", "own.yaml", "more.yaml"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("warning: more.yaml:3: mine: tokn_url: nobody reads this key\n  hint: did you mean `token_url`?\n"), "{}", ran.out);
    assert!(
        ran.out
            .contains("error: more.yaml:4: mine: body_format: unknown variant `yaml`"),
        "{}",
        ran.out
    );

    project.write(
        "warned.yaml",
        "mine: { auth_mode: NONE, display_name: Mine, colour: red }\n",
    );
    assert_eq!(project.run(&["providers", "lint", "warned.yaml"]).code, 0);
    let ran = project.run(&["providers", "lint", "warned.yaml", "--strict", "--json"]);
    assert_eq!(ran.code, 1);
    let list: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&list[0]["key"], &list[0]["line"]),
        (&"colour".into(), &1.into())
    );
}

#[test]
fn the_schema_is_printed_as_it_is_published() {
    let ran = Project::empty().run(&["providers", "schema"]);
    let published = include_str!("../../../../docs/reference/provider.schema.json");
    assert_eq!(ran.out, published);
}

#[test]
fn doctor_finds_a_provider_file_that_makes_no_sense() {
    let project = Project::empty();
    project.write("own.yaml", "acme: { auth_mode: OAUTH9 }\n");
    let ran = project.run(&["doctor", "--providers", "own.yaml"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("FAIL  provider files") && ran.out.contains("OAUTH9"),
        "{}",
        ran.out
    );
}

#[test]
fn every_request_of_an_entry_is_printed_and_none_is_sent() {
    let project = Project::empty();
    let ran = project.run(&["providers", "test", "zendesk", "--value", "subdomain=acme"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let purposes: Vec<&str> = ran
        .out
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .collect();
    assert_eq!(
        purposes,
        [
            "authorization, in the browser",
            "token",
            "renewal",
            "a call of the API"
        ]
    );
    for part in [
        "curl -X GET 'https://acme.zendesk.com/oauth/authorizations/new?",
        "curl -X POST 'https://acme.zendesk.com/oauth/tokens'",
        "grant_type=authorization_code",
        "client_secret=<client_secret>",
        "grant_type=refresh_token&refresh_token=sample-refresh-token",
        "curl -X GET 'https://acme.zendesk.com/sample'",
        "-H 'authorization: Bearer sample-access-token'",
    ] {
        assert!(ran.out.contains(part), "`{part}` is not in\n{}", ran.out);
    }
    assert!(!ran.out.contains("${"), "{}", ran.out);

    let two_step = "steps:
  display_name: Steps
  auth_mode: TWO_STEP
  token_url: https://steps.test/login
  token_params: { user: '${credentials.user}', word: '${credentials.word}' }
  token_response: { token: data.session }
  additional_steps: [{ token_url: https://steps.test/second, token_params: { key: '${step1.data.ticket}' } }]
  proxy: { base_url: https://steps.test, headers: { x-session: '${accessToken}' } }
  credentials: { user: { type: string, title: U }, word: { type: string, title: W, secret: true } }
";
    project.write("steps.yaml", two_step);
    let ran = project.run(&[
        "providers",
        "test",
        "steps",
        "--providers",
        "steps.yaml",
        "--value",
        "word=open-sesame",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        !ran.out.contains("open-sesame") && ran.out.contains("<word>"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("https://steps.test/second"), "{}", ran.out);
}

#[test]
fn what_cannot_be_made_is_said_and_fails() {
    let project = Project::empty();
    project.write("bad.yaml", "bad: { display_name: Bad, auth_mode: OAUTH2_CC, token_url: 'https://${connectionConfig.nowhere}/t', proxy: { base_url: https://a.test } }\n");
    let ran = project.run(&["providers", "test", "bad", "--providers", "bad.yaml"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err.contains("nobody could connect") && ran.err.contains("connectionConfig.nowhere"),
        "{}",
        ran.err
    );

    let ran = project.run(&[
        "providers",
        "test",
        "slack",
        "--against",
        "http://127.0.0.1:9",
    ]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("has no verification request"),
        "{}",
        ran.err
    );
}

#[test]
fn the_verification_request_is_sent_to_another_address_when_asked() {
    use std::io::{Read as _, Write as _};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let api = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for status in ["200 OK", "401 Unauthorized"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).unwrap();
            asked.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
        asked
    });
    let project = Project::empty();
    project.write("own.yaml", OWN);
    let base = format!("http://{address}/mock");
    let flags = [
        "providers",
        "test",
        "acme",
        "--providers",
        "own.yaml",
        "--against",
        &base,
        "--value",
        "apiKey=env:ACME_KEY",
    ];
    let run = || {
        let mut command = project.tenon(&flags);
        crate::project::Ran::of(command.env("ACME_KEY", "the-real-key").output().unwrap())
    };
    let ran = run();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out
            .contains("# verification: answered 200\ncurl -X GET 'https://api.acme.test/me'"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("x-key: <apiKey>") && !ran.out.contains("the-real-key"),
        "{}",
        ran.out
    );
    let ran = run();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out.contains("# verification: answered 401"),
        "{}",
        ran.out
    );
    for request in api.join().unwrap() {
        assert!(
            request.starts_with("GET /mock/me HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(request.contains("x-key: the-real-key"), "{request}");
    }
}
