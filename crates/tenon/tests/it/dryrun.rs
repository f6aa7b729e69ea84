//! `tenon dryrun`, against a server that answers as it is told.

use std::fs;

use serde_json::{Value, json};

use crate::{
    fake_server::FakeServer,
    project::{CLOSE, Project, Ran, TICKETS},
};

const CONNECTION: &str = "/connections/alice?provider_config_key=desk";

/// Two pages of tickets, and one that can be closed.
fn server() -> FakeServer {
    let connection = json!({
        "connection_id": "alice",
        "provider_config_key": "desk",
        "provider": "desk",
        "metadata": { "team": "a" },
        "connection_config": { "subdomain": "acme" },
        "credentials": { "type": "OAUTH2", "access_token": "very-secret" },
    });
    FakeServer::start(&[
        (CONNECTION, 200, connection),
        (
            "/integrations/desk",
            200,
            json!({ "data": { "unique_key": "desk", "provider": "desk" } }),
        ),
        (
            "/proxy/tickets?team=a",
            200,
            json!({ "tickets": [{ "number": 1, "subject": "Printer" }], "next": "p2" }),
        ),
        (
            "/proxy/tickets?team=a&after=p2",
            200,
            json!({ "tickets": [{ "number": 2, "subject": null }] }),
        ),
        ("/proxy/tickets/7", 200, json!({ "state": "closed" })),
        ("/proxy/tickets/8", 200, json!({ "state": "open" })),
        ("/proxy/tickets/9", 500, json!({ "oops": true })),
    ])
}

fn dryrun(project: &Project, server: &FakeServer, arguments: &[&str]) -> Ran {
    let mut command = project.tenon(&["dryrun"]);
    command
        .args(arguments)
        .args(["--url", &server.url])
        .env("NANGO_SECRET_KEY_DEV", "key");
    Ran::of(command.output().unwrap())
}

#[test]
fn a_sync_shows_what_it_would_save() {
    let (project, server) = (Project::new(), server());
    let ran = dryrun(&project, &server, &["tickets", "alice"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.out,
        "Ticket: 2 saved\n  {\"id\":\"1\",\"title\":\"Printer\"}\n  {\"id\":\"2\",\"title\":\"(none)\"}\n"
    );
    let asked = server.asked();
    let page = asked
        .iter()
        .find(|asked| asked.path.starts_with("/proxy/"))
        .unwrap();
    for (name, value) in [
        ("authorization", "Bearer key"),
        ("connection-id", "alice"),
        ("provider-config-key", "desk"),
        ("nango-is-dry-run", "true"),
    ] {
        assert_eq!(
            page.headers.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    let written = asked.iter().filter(|asked| !asked.body.is_null()).count();
    assert_eq!(written, 0, "a dry run writes nothing: {asked:?}");
}

#[test]
fn a_recorded_run_replays() {
    let (project, server) = (Project::new(), server());
    let ran = dryrun(&project, &server, &["tickets", "alice", "--save"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out
            .ends_with("it replays: `tenon test` passes with it\n"),
        "{}",
        ran.out
    );
    let ran = dryrun(
        &project,
        &server,
        &["close-ticket", "alice", "-i", r#"{"id":"7"}"#, "--save"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");

    let text = fs::read_to_string(project.root().join("desk/tests/tickets.test.json")).unwrap();
    assert!(!text.contains("very-secret"), "{text}");
    let fixture: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(fixture["nango"]["getMetadata"], json!({ "team": "a" }));
    assert_eq!(fixture["nango"]["batchDelete"], json!({ "Ticket": [] }));
    assert_eq!(
        fixture["api"]["get"]["/tickets"][1]["request"]["params"]["after"],
        "p2"
    );
    let ran = project.run(&["test"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "2 passed, 0 failed\n"),
        "{ran:?}"
    );

    // The recording judges the code from now on.
    project.write(
        "desk/actions/close-ticket.ts",
        &CLOSE.replace("closed: true,", "closed: false,"),
    );
    let ran = project.run(&["test"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("output.closed\n    - true\n    + false\n"),
        "{}",
        ran.out
    );
}

#[test]
fn what_does_not_replay_is_said_at_once() {
    let (project, server) = (Project::new(), server());
    let token = CLOSE.replace(
        "const response",
        "const token = await nango.getToken(); await nango.log(typeof token); const response",
    );
    project.write("desk/actions/close-ticket.ts", &token);
    let ran = dryrun(
        &project,
        &server,
        &["close-ticket", "alice", "-i", r#"{"id":"7"}"#, "--save"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.contains("warning: it does not replay as it is:"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("replays do not have: getToken"),
        "{}",
        ran.err
    );
}

#[test]
fn schemas_are_fatal_when_asked_for() {
    let (project, server) = (Project::new(), server());
    let input = r#"{"id":7}"#;
    let ran = dryrun(
        &project,
        &server,
        &["close-ticket", "alice", "-i", input, "--validate"],
    );
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            12,
            "error: invalid_action_input: input: /id must be a string\n"
        )
    );
    let ran = dryrun(&project, &server, &["close-ticket", "alice", "-i", input]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.contains("warning: 1 values do not fit"),
        "{}",
        ran.err
    );

    let strict = TICKETS.replace("title: z.string()", "title: z.string().min(7)");
    project.write("desk/syncs/tickets.ts", &strict);
    let ran = dryrun(&project, &server, &["tickets", "alice", "--save"]);
    assert_eq!(ran.code, 12, "{ran:?}");
    assert!(
        ran.err
            .contains("invalid_sync_record: Ticket \"2\": /title must have at least 7 characters"),
        "{}",
        ran.err
    );
    assert!(
        !project.root().join("desk/tests").exists(),
        "nothing is written on failure"
    );
}

#[test]
fn failures_say_what_happened_and_where() {
    let (project, server) = (Project::new(), server());
    let open = dryrun(
        &project,
        &server,
        &["close-ticket", "alice", "-i", r#"{"id":"8"}"#],
    );
    assert_eq!(open.code, 12, "{open:?}");
    assert!(
        open.err.contains("error: action_script_runtime_error: still open\n  payload: {\"message\":\"still open\",\"id\":\"8\"}"),
        "{}",
        open.err
    );
    let broken = dryrun(
        &project,
        &server,
        &["close-ticket", "alice", "-i", r#"{"id":"9"}"#],
    );
    assert_eq!(broken.code, 12);
    assert!(
        broken.err.contains("the API answered 500: {\"oops\":true}"),
        "{}",
        broken.err
    );

    let thrown = CLOSE.replace("const response", "(undefined as any).x; const response");
    project.write("desk/actions/close-ticket.ts", &thrown);
    let thrown = dryrun(
        &project,
        &server,
        &["close-ticket", "alice", "-i", r#"{"id":"7"}"#],
    );
    assert!(
        thrown.err.contains("desk/actions/close-ticket.ts:10:"),
        "{}",
        thrown.err
    );
}

#[test]
fn metadata_checkpoint_and_date_come_from_the_command_line() {
    let (project, server) = (Project::new(), server());
    server.answer("/proxy/tickets?team=b", 200, json!({ "tickets": [] }));
    project.write("metadata.json", r#"{"team":"b"}"#);
    let body =
        "await nango.log(String(nango.lastSyncDate?.toISOString()), await nango.getCheckpoint());
        await nango.saveCheckpoint({ page: 2 }); const { team }";
    project.write(
        "desk/syncs/tickets.ts",
        &TICKETS.replace("const { team }", body),
    );
    let ran = dryrun(
        &project,
        &server,
        &[
            "tickets",
            "alice",
            "-m",
            "@metadata.json",
            "-c",
            r#"{"page":1}"#,
            "-l",
            "2026-01-02",
        ],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err
            .contains("info  2026-01-02T00:00:00.000Z {\"page\":1}"),
        "{}",
        ran.err
    );
    assert_eq!(ran.out, "Ticket: nothing saved\ncheckpoint: {\"page\":2}\n");
    let wrong = dryrun(&project, &server, &["tickets", "alice", "-m", "{team:b}"]);
    assert!(
        wrong.err.contains("--metadata is not JSON"),
        "{}",
        wrong.err
    );
}

#[test]
fn stored_records_are_compared() {
    let (project, server) = (Project::new(), server());
    let stored = json!({ "records": [
        { "id": "1", "title": "Printers", "_nango_metadata": { "deleted_at": null } },
        { "id": "3", "title": "Gone", "_nango_metadata": { "deleted_at": null } },
    ], "next_cursor": null });
    server.answer("/records?model=Ticket&limit=1000", 200, stored);
    let ran = dryrun(&project, &server, &["tickets", "alice", "--diff"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.ends_with(
            "Ticket, beside 2 stored records: 1 added, 1 changed, 0 deleted, 0 unchanged, 1 not seen\n  ~ 1  title: \"Printers\" → \"Printer\"\n  + 2\n"
        ),
        "{}",
        ran.out
    );
}

#[test]
fn names_that_mean_nothing_or_too_much_are_refused() {
    let (project, server) = (Project::new(), server());
    let unknown = dryrun(&project, &server, &["close", "alice"]);
    assert_eq!(unknown.code, 12);
    assert_eq!(
        unknown.err,
        "error: no function `close` in this project\nhint: index.ts imports desk/tickets, desk/close-ticket, desk/welcome\n"
    );
    project.write("shop/actions/close-ticket.ts", CLOSE);
    let index = format!(
        "{}import './shop/actions/close-ticket.js';\n",
        crate::project::INDEX
    );
    project.write("index.ts", &index);
    let ambiguous = dryrun(&project, &server, &["close-ticket", "alice"]);
    assert_eq!(ambiguous.code, 12);
    assert!(
        ambiguous.err.contains("--integration-id"),
        "{}",
        ambiguous.err
    );
    let named = [
        "close-ticket",
        "alice",
        "--integration-id",
        "desk",
        "-i",
        r#"{"id":"7"}"#,
        "--json",
    ];
    let ran = dryrun(&project, &server, &named);
    assert_eq!(ran.code, 0, "{ran:?}");
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["output"], json!({ "closed": true }));
    let nobody = dryrun(&project, &server, &["tickets", "nobody"]);
    assert_eq!(nobody.code, 12);
}
