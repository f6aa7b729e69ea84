//! `tenon pull`, `tenon logs` and `tenon doctor`.

use std::fs;

use serde_json::json;

use crate::{
    fake_server::FakeServer,
    project::{CLOSE, INDEX, Project, Ran},
};

fn run(project: &Project, server: &FakeServer, arguments: &[&str]) -> Ran {
    let mut command = project.tenon(arguments);
    command
        .args(["--url", &server.url])
        .env("NANGO_SECRET_KEY_DEV", "key");
    Ran::of(command.output().unwrap())
}

#[test]
fn a_deployed_function_comes_back_as_it_was() {
    let project = Project::new();
    let path = "/integrations/desk/functions/reopen/code?type=action";
    let server = FakeServer::start(&[(path, 200, json!({ "type": "action", "code": CLOSE }))]);
    let ran = run(&project, &server, &["pull", "desk", "reopen", "--action"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "wrote desk/actions/reopen.ts\nlisted it in index.ts\n"),
        "{ran:?}"
    );
    let file = project.root().join("desk/actions/reopen.ts");
    assert_eq!(fs::read_to_string(&file).unwrap(), CLOSE);
    let index = fs::read_to_string(project.root().join("index.ts")).unwrap();
    assert_eq!(
        index,
        format!("{INDEX}import './desk/actions/reopen.js';\n")
    );

    project.write("desk/actions/reopen.ts", "// mine\n");
    let ran = run(&project, &server, &["pull", "desk", "reopen", "-a"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            1,
            "error: `desk/actions/reopen.ts` exists and is different\nhint: --force overwrites it\n"
        )
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "// mine\n");
    assert_eq!(
        run(&project, &server, &["pull", "desk", "reopen", "-a", "-f"]).code,
        0
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), CLOSE);
}

#[test]
fn the_log_is_told_oldest_first_with_its_lines() {
    let operation = |id: &str, state: &str, error: Option<&str>| {
        json!({ "id": id, "type": "sync", "title": "sync `tickets`", "state": state, "provider_config_key": "desk",
            "connection_id": "alice", "function": "tickets", "error": error, "parent_id": null,
            "created_at": "2026-01-02T03:04:05.678Z", "ended_at": null })
    };
    let operations = json!({ "operations": [operation("new", "failed", Some("no way")), operation("old", "success", None)], "next_cursor": null });
    let line = json!({ "messages": [{ "level": "info", "message": "hello", "payload": { "a": 1 }, "created_at": "2026-01-02T03:04:06.000Z" }], "next_cursor": "7" });
    let nothing = json!({ "messages": [], "next_cursor": "7" });
    let server = FakeServer::start(&[
        ("/operations?limit=20", 200, operations.clone()),
        ("/operations?limit=1", 200, operations),
        ("/operations/old/messages?cursor=0", 200, line),
        ("/operations/old/messages?cursor=7", 200, nothing.clone()),
        ("/operations/new/messages?cursor=0", 200, nothing),
    ]);
    let project = Project::empty();
    let ran = run(&project, &server, &["logs"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.out,
        "03:04:05 sync      sync `tickets`  desk/alice  success  old
  03:04:06 info  hello {\"a\":1}
03:04:05 sync      sync `tickets`  desk/alice  failed  new
  sync `tickets` failed: no way\n"
    );
    let failed = run(
        &project,
        &server,
        &["logs", "--failed", "-n", "1", "--json"],
    );
    let first: serde_json::Value =
        serde_json::from_str(failed.out.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["operation"], &first["state"]),
        (&json!("new"), &json!("failed"))
    );
    let elsewhere = run(&project, &server, &["logs", "-i", "other"]);
    assert_eq!((elsewhere.code, elsewhere.out.as_str()), (0, ""));
}

#[test]
fn the_doctor_says_what_to_do() {
    let project = Project::new();
    let server = FakeServer::start(&[
        ("/health", 200, json!({ "result": "ok" })),
        (
            "/integrations",
            401,
            json!({ "error": { "code": "unauthorized", "message": "no" } }),
        ),
    ]);
    fs::create_dir(project.root().join("data")).unwrap();
    project.write("data/tenon.db", "not a database");
    project.write("data/instance.key", "short");
    let ran = run(
        &project,
        &server,
        &["doctor", "--data-dir", "data", "--port", "0"],
    );
    assert_eq!(ran.code, 1, "{ran:?}");
    for line in [
        "FAIL  database       `data/tenon.db` is no SQLite database",
        "FAIL  instance key   `data/instance.key` holds no key",
        "ok    project        3 functions compile",
        "FAIL  secret key     the server does not know the key for `dev`",
    ] {
        assert!(ran.out.contains(line), "{line}\n{}", ran.out);
    }
    assert!(
        ran.out.contains("→ restore it from a backup"),
        "{}",
        ran.out
    );
    project.write("desk/actions/close-ticket.ts", "nonsense");
    let ran = run(
        &project,
        &server,
        &["doctor", "--data-dir", "new", "--port", "0"],
    );
    assert!(
        ran.out
            .contains("FAIL  project        1 complaints of the compiler"),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains("note  data directory `new` is made at the first start"),
        "{}",
        ran.out
    );
}
