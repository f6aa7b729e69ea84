//! `tenon deploy`, against a server that remembers.

use serde_json::{Value, json};

use crate::{
    fake_server::FakeServer,
    project::{Project, Ran},
};

const CONFIRM: &str = "/sync/deploy/confirmation";
const DEPLOY: &str = "/sync/deploy";

fn nothing() -> Value {
    json!({"newSyncs":[],"updatedSyncs":[],"newActions":[],"updatedActions":[],"deletedSyncs":[],"deletedActions":[],
        "deletedModels":[],"newOnEventScripts":[],"updatedOnEventScripts":[],"deletedOnEventScripts":[]})
}

fn willing() -> FakeServer {
    let deployed = json!([{"name":"tickets","models":["Ticket"],"version":"1.2.0","providerConfigKey":"desk","type":"sync"}]);
    FakeServer::start(&[(CONFIRM, 200, nothing()), (DEPLOY, 200, deployed)])
}

fn deploy(project: &Project, server: &FakeServer, arguments: &[&str]) -> Ran {
    let mut command = project.tenon(&["deploy"]);
    command
        .args(arguments)
        .env("NANGO_HOSTPORT", &server.url)
        .env("NANGO_SECRET_KEY_DEV", "key-of-dev");
    Ran::of(command.output().unwrap())
}

fn without_code(mut body: Value) -> Value {
    for flow in body["flowConfigs"].as_array_mut().unwrap() {
        let code = flow["fileBody"].take();
        assert!(code["js"].as_str().unwrap().contains("sourceMappingURL"));
        assert!(code["ts"].as_str().unwrap().starts_with("import { create"));
    }
    body
}

#[test]
fn it_sends_what_the_published_command_line_sends() {
    let (project, server) = (Project::new(), willing());
    let ran = deploy(&project, &server, &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert_eq!(
        ran.out,
        format!(
            "Plan for `dev` on {}\n  nothing changes\nDeployed desk/tickets@v1.2.0\n",
            server.url
        )
    );
    let asked = server.asked();
    let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(paths, [CONFIRM, DEPLOY]);
    assert!(
        asked
            .iter()
            .all(|asked| asked.headers["authorization"] == "Bearer key-of-dev")
    );

    let mut confirmed = without_code(asked[0].body.clone());
    let scripts = confirmed["onEventScriptsByProvider"].take();
    assert_eq!(scripts[0]["providerConfigKey"], "desk");
    assert_eq!(scripts[0]["scripts"][0]["name"], "welcome");
    assert_eq!(
        scripts[0]["scripts"][0]["event"],
        "post-connection-creation"
    );
    let expected = json!({
        "flowConfigs": [
            {
                "syncName": "tickets", "providerConfigKey": "desk", "models": ["Ticket"], "version": "1.2.0",
                "runs": "every 5 minutes", "track_deletes": false, "auto_start": true, "attributes": {},
                "metadata": { "description": "Copies tickets", "scopes": ["tickets:read"] },
                "input": "SyncMetadata_desk_tickets", "sync_type": "full", "type": "sync", "fileBody": null,
                "endpoints": [], "webhookSubscriptions": [],
                "models_json_schema": { "definitions": {
                    "Ticket": {
                        "type": "object",
                        "properties": {
                            "id": { "type": "string" }, "title": { "type": "string" },
                            "closedAt": { "type": "string", "format": "date-time" },
                        },
                        "required": ["id", "title"], "additionalProperties": false,
                    },
                    "SyncMetadata_desk_tickets": {
                        "type": "object", "properties": { "team": { "type": "string" } },
                        "required": ["team"], "additionalProperties": false,
                    },
                } },
                "features": [],
            },
            {
                "syncName": "close-ticket", "providerConfigKey": "desk", "models": ["ActionOutput_desk_closeticket"],
                "version": "", "runs": null, "track_deletes": false,
                "metadata": { "description": "Closes a ticket", "scopes": [] },
                "input": "ActionInput_desk_closeticket", "type": "action", "fileBody": null,
                "endpoints": [{ "method": "POST", "path": "/tickets/close", "group": "Tickets" }],
                "models_json_schema": { "definitions": {
                    "ActionInput_desk_closeticket": {
                        "type": "object", "properties": { "id": { "type": "string" } },
                        "required": ["id"], "additionalProperties": false,
                    },
                    "ActionOutput_desk_closeticket": {
                        "type": "object",
                        "properties": { "closed": { "type": "boolean" }, "at": { "type": "string" } },
                        "required": ["closed"], "additionalProperties": false,
                    },
                } },
                "features": [],
            },
        ],
        "onEventScriptsByProvider": null,
        "deployMode": "all", "reconcile": false, "debug": false, "sdkVersion": "0.71.10-zero",
    });
    assert_eq!(confirmed, expected);

    let mut deployed = without_code(asked[1].body.clone());
    assert_eq!(deployed["reconcile"], true);
    assert_eq!(deployed["nangoYamlBody"], "");
    assert_eq!(deployed["source"], "repo");
    deployed["reconcile"] = json!(false);
    deployed["onEventScriptsByProvider"].take();
    let deployed = deployed.as_object_mut().unwrap();
    deployed.retain(|key, _| key != "nangoYamlBody" && key != "source");
    assert_eq!(Value::Object(deployed.clone()), expected);
}

#[test]
fn one_function_can_be_deployed_alone() {
    let (project, server) = (Project::new(), willing());
    let ran = deploy(&project, &server, &["-a", "close-ticket", "-v", "7.0.0"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let body = &server.asked()[1].body;
    assert_eq!(body["deployMode"], "single");
    assert_eq!(body.get("onEventScriptsByProvider"), None);
    let flows = body["flowConfigs"].as_array().unwrap();
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0]["version"], "7.0.0");
}

#[test]
fn the_export_decides_what_a_file_is() {
    let (project, server) = (Project::new(), willing());
    project.write("desk/actions/tickets.ts", crate::project::TICKETS);
    project.write("index.ts", "import './desk/actions/tickets.js';\n");
    assert_eq!(deploy(&project, &server, &["-a", "tickets"]).code, 10);
    assert_eq!(deploy(&project, &server, &["-s", "tickets"]).code, 0);
    assert_eq!(server.asked()[1].body["flowConfigs"][0]["type"], "sync");
}

#[test]
fn an_integration_can_be_deployed_alone() {
    let (project, server) = (Project::new(), willing());
    assert_eq!(deploy(&project, &server, &["-i", "desk"]).code, 0);
    assert_eq!(server.asked()[0].body["deployMode"], "integration");
    let ran = deploy(&project, &server, &["-i", "other"]);
    assert_eq!(ran.code, 10);
    assert!(
        ran.err.contains("no function of this project is meant"),
        "{}",
        ran.err
    );
}

#[test]
fn a_dry_run_only_asks() {
    let (project, server) = (Project::new(), willing());
    assert_eq!(deploy(&project, &server, &["--dry-run"]).code, 0);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn nothing_is_destroyed_unasked() {
    let mut plan = nothing();
    plan["deletedSyncs"] =
        json!([{"name":"old","providerConfigKey":"desk","connections":2,"auto_start":true}]);
    let server = FakeServer::start(&[(CONFIRM, 200, plan), (DEPLOY, 200, json!([]))]);
    let project = Project::new();
    for arguments in [
        &[][..],
        &["--auto-confirm"],
        &["--allow-destructive"],
        &["--no-interactive"],
        &["--no-interactive", "--allow-destructive"],
    ] {
        let ran = deploy(&project, &server, arguments);
        assert_eq!(ran.code, 11, "{ran:?}");
        assert!(
            ran.err.contains("sync `desk/old` with 2 connections"),
            "{}",
            ran.err
        );
    }
    assert!(server.asked().iter().all(|asked| asked.path == CONFIRM));
    let ran = deploy(
        &project,
        &server,
        &["--auto-confirm", "--allow-destructive"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// A terminal is there, so that only the flag keeps it from asking.
#[cfg(unix)]
#[test]
fn without_interaction_nobody_is_asked_even_at_a_terminal() {
    use std::{fs::File, process::Stdio};

    let mut plan = nothing();
    plan["deletedModels"] = json!(["Ticket"]);
    let server = FakeServer::start(&[(CONFIRM, 200, plan), (DEPLOY, 200, json!([]))]);
    let project = Project::new();
    let at_terminal = |arguments: &[&str]| {
        let terminal = File::options()
            .read(true)
            .write(true)
            .open("/dev/ptmx")
            .unwrap();
        let mut command = project.tenon(&["deploy"]);
        command
            .args(arguments)
            .stdin(Stdio::from(terminal))
            .env("NANGO_HOSTPORT", &server.url)
            .env("NANGO_SECRET_KEY_DEV", "key-of-dev");
        Ran::of(command.output().unwrap())
    };
    let ran = at_terminal(&["--no-interactive"]);
    assert_eq!(ran.code, 11, "{ran:?}");
    assert!(
        ran.err.contains("model `Ticket` and its records"),
        "{}",
        ran.err
    );
    assert!(!ran.out.contains("[y/N]"), "{}", ran.out);
    let willing = ["--no-interactive", "--auto-confirm", "--allow-destructive"];
    assert_eq!(at_terminal(&willing).code, 0);
}

#[test]
fn a_refusal_is_told_with_its_code() {
    let error = json!({"error":{"code":"unknown_provider_config","message":"no integration desk"}});
    let server = FakeServer::start(&[(CONFIRM, 200, nothing()), (DEPLOY, 400, error)]);
    let ran = deploy(&Project::new(), &server, &[]);
    assert_eq!(ran.code, 11);
    assert!(
        ran.err
            .contains("no integration desk (unknown_provider_config, 400)"),
        "{}",
        ran.err
    );
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let project = Project::new();
    let ran = project.run(&["deploy", "--url", "http://127.0.0.1:9"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("no secret key for environment `dev`"),
        "{}",
        ran.err
    );
    project.write(".env", "NANGO_SECRET_KEY='k'\n");
    let ran = project.run(&["deploy", "--url", "http://127.0.0.1:9"]);
    assert_eq!(ran.code, 11);
    assert!(
        ran.err.contains("`http://127.0.0.1:9` does not answer"),
        "{}",
        ran.err
    );
}

#[test]
fn a_running_development_server_is_found() {
    let (project, server) = (Project::new(), willing());
    let dev = json!({"url": server.url, "environments": [{"name":"dev","uuid":"u","secret_key":"dev-key","public_key":"p"}]});
    project.write(".tenon/dev.json", &dev.to_string());
    let ran = project.run(&["deploy"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(server.asked()[0].headers["authorization"], "Bearer dev-key");
}
