//! `tenon test`.

use serde_json::json;

use crate::project::{CLOSE, Project, TICKETS};

const CLOSE_FIXTURE: &str = r#"{
  "input": { "id": "7" },
  "output": { "closed": true },
  "api": { "put": { "/tickets/7": { "response": { "state": "closed" }, "status": 200, "headers": {},
    "request": { "params": {}, "headers": {}, "data": { "state": "closed" } } } } },
  "nango": {}
}"#;

fn tickets_fixture() -> String {
    let page = |params: serde_json::Value, response: serde_json::Value| json!({ "response": response, "status": 200, "headers": {}, "request": { "params": params, "headers": {} } });
    json!({
        "nango": {
            "getMetadata": { "team": "a" },
            "batchSave": { "Ticket": [{ "id": "1", "title": "Printer" }, { "id": "2", "title": "(none)" }] },
            "batchDelete": { "Ticket": [] },
        },
        "api": { "get": { "/tickets": [
            page(json!({ "team": "a", "after": "p2" }), json!({ "tickets": [{ "number": 2, "subject": null }] })),
            page(json!({ "team": "a" }), json!({ "tickets": [{ "number": 1, "subject": "Printer" }], "next": "p2" })),
        ] } },
    })
    .to_string()
}

fn project() -> Project {
    let project = Project::new();
    project.write("desk/tests/close-ticket.test.json", CLOSE_FIXTURE);
    project.write("desk/tests/tickets.test.json", &tickets_fixture());
    project
}

#[test]
fn fixtures_pass_without_manifest_or_server() {
    let project = project();
    std::fs::remove_file(project.root().join("index.ts")).unwrap();
    let ran = project.run(&["test"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "2 passed, 0 failed\n"),
        "{ran:?}"
    );
    let places = ["desk", "desk/tests", "desk/tests/tickets.test.json"];
    let counts: Vec<String> = places
        .iter()
        .map(|place| project.run(&["test", place]).out)
        .collect();
    assert_eq!(
        counts,
        [
            "2 passed, 0 failed\n",
            "2 passed, 0 failed\n",
            "1 passed, 0 failed\n"
        ]
    );
    assert_eq!(
        project.run(&["test", "--function", "tickets"]).out,
        "1 passed, 0 failed\n"
    );
}

#[test]
fn a_difference_is_shown_where_it_is() {
    let project = project();
    project.write(
        "desk/mappers/to-ticket.ts",
        &crate::project::MAPPER.replace("'(none)'", "'nothing'"),
    );
    let ran = project.run(&["test"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.out,
        "FAIL desk/tickets\n  batchSave.Ticket[1].title\n    - \"(none)\"\n    + \"nothing\"\n1 passed, 1 failed\n"
    );
}

#[test]
fn an_unknown_request_is_named() {
    let project = project();
    project.write(
        "desk/actions/close-ticket.ts",
        &CLOSE.replace("state: 'closed' }", "state: 'shut' }"),
    );
    let ran = project.run(&["test", "--function", "close-ticket"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out
            .contains(r#"No mock found for PUT tickets/7 with data {"state":"shut"} with hash "#),
        "{}",
        ran.out
    );
    assert!(ran.out.ends_with("\n0 passed, 1 failed\n"), "{}", ran.out);
}

#[test]
fn an_exception_names_its_line() {
    let project = project();
    project.write(
        "desk/mappers/to-ticket.ts",
        "export function toTicket(raw: any): any {\n    const nothing: any = raw.nothing;\n    return nothing.at(0);\n}\n",
    );
    let ran = project.run(&["test", "--function", "tickets"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out
            .contains("at toTicket (desk/mappers/to-ticket.ts:3:"),
        "{}",
        ran.out
    );
}

#[test]
fn code_that_does_not_compile_fails_its_fixture() {
    let project = project();
    project.write(
        "desk/syncs/tickets.ts",
        &TICKETS.replace("exec: async", "exec async"),
    );
    let ran = project.run(&["test"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("desk/syncs/tickets.ts:15:"), "{}", ran.out);
    assert!(ran.out.ends_with("\n1 passed, 1 failed\n"), "{}", ran.out);
}

#[test]
fn what_is_left_out_is_named() {
    let project = project();
    project.write("desk/tests/gone.test.json", "{}");
    std::os::unix::fs::symlink("nowhere", project.root().join("other")).unwrap();
    std::os::unix::fs::symlink(
        "nowhere.json",
        project.root().join("desk/tests/link.test.json"),
    )
    .unwrap();
    std::os::unix::fs::symlink("desk", project.root().join("desk-sandbox")).unwrap();
    let ran = project.run(&["test"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.pop(), Some("2 passed, 0 failed, 4 skipped"));
    lines.sort_unstable();
    assert_eq!(
        lines[0],
        "skip desk-sandbox: link to an integration that is replayed already"
    );
    assert_eq!(
        lines[1],
        "skip desk/tests/gone.test.json: there is no function `gone` in desk"
    );
    assert!(
        lines[2].starts_with("skip desk/tests/link.test.json: broken link: "),
        "{}",
        lines[2]
    );
    assert!(
        lines[3].starts_with("skip other: broken link: "),
        "{}",
        lines[3]
    );
    let ran = project.run(&["test", "--integration", "desk-sandbox"]);
    assert!(
        ran.out.ends_with("\n2 passed, 0 failed, 2 skipped\n"),
        "{}",
        ran.out
    );
}

#[test]
fn clock_and_connection_of_a_test_are_honoured() {
    let project = project();
    let timed = CLOSE.replace("at: undefined", "at: new Date().toISOString()").replace(
        "const response",
        "const { connection_config } = await nango.getConnection(); if (connection_config.side !== 'left') throw new Error('wrong side');\n const response",
    );
    project.write("desk/actions/close-ticket.ts", &timed);
    let fixture = CLOSE_FIXTURE.replace(
        "\"closed\": true",
        "\"closed\": true, \"at\": \"2026-01-02T03:04:05.000Z\"",
    );
    project.write("desk/tests/close-ticket.test.json", &fixture);
    project.write(
        "desk/tests/desk-close-ticket.test.ts",
        "vi.setSystemTime(new Date('2026-01-02T03:04:05Z'));
         nangoMock.getConnection = vi.fn().mockResolvedValue({ connection_config: { side: 'left' } });",
    );
    let ran = project.run(&["test"]);
    assert_eq!(ran.out, "2 passed, 0 failed\n");
}

#[test]
fn tests_with_code_of_their_own_are_told_apart() {
    let project = project();
    project.write(
        "desk/tests/desk-close-ticket.test.ts",
        "await expect(action.exec(nangoMock, input)).rejects.toThrow();",
    );
    project.write("desk/tests/close-ticket.test.json", "{}");
    let ran = project.run(&["test"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains(
            "  desk/close-ticket: its test expects an error\n1 passed, 0 failed, 1 skipped\n"
        ),
        "{}",
        ran.out
    );
}

#[test]
fn a_test_tells_which_function_its_fixture_belongs_to() {
    let project = project();
    project.write("desk/tests/close-twice.test.json", CLOSE_FIXTURE);
    project.write(
        "desk/tests/desk-close-twice.test.ts",
        "import action from '../actions/close-ticket.js';",
    );
    assert_eq!(project.run(&["test"]).out, "3 passed, 0 failed\n");
}

#[test]
fn the_clock_can_be_stopped() {
    let project = project();
    project.write(
        "desk/actions/close-ticket.ts",
        &CLOSE.replace("at: undefined", "at: new Date().toISOString()"),
    );
    project.write(
        "desk/tests/close-ticket.test.json",
        &CLOSE_FIXTURE.replace(
            "\"closed\": true",
            "\"closed\": true, \"at\": \"2026-01-02T03:04:05.000Z\"",
        ),
    );
    let arguments = [
        "test",
        "--function",
        "close-ticket",
        "--clock",
        "2026-01-02T03:04:05Z",
    ];
    assert_eq!(project.run(&arguments).out, "1 passed, 0 failed\n");
    assert_eq!(project.run(&arguments[..3]).code, 1);
}

const PROVIDERS: &str = "desk:
  display_name: Desk
  categories: [ticketing]
  auth_mode: API_KEY
  docs: https://example.com
  proxy:
    base_url: https://desk.example.com
    paginate:
      type: cursor
      cursor_path_in_response: next
      cursor_name_in_request: after
      response_path: tickets
";

/// The sync leaves it to its provider how pages are asked for.
fn without_settings() -> Project {
    let project = project();
    let start = TICKETS.find("            paginate: {").unwrap();
    let end = start + TICKETS[start..].find('\n').unwrap();
    project.write(
        "desk/syncs/tickets.ts",
        &TICKETS.replace(&TICKETS[start..end], ""),
    );
    project
}

#[test]
fn a_provider_file_brings_pagination_settings() {
    let project = without_settings();
    let arguments = [
        "test",
        "--function",
        "tickets",
        "--providers",
        "providers.yaml",
    ];
    assert_eq!(project.run(&arguments[..3]).code, 1);
    project.write("providers.yaml", PROVIDERS);
    let ran = project.run(&arguments);
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str()),
        ("1 passed, 0 failed\n", "")
    );
}

#[test]
fn the_provider_of_an_integration_with_another_name_can_be_named() {
    let project = without_settings();
    project.write("providers.yaml", &PROVIDERS.replace("desk:", "helpdesk:"));
    let arguments = [
        "test",
        "--function",
        "tickets",
        "--providers",
        "providers.yaml",
    ];
    assert_eq!(project.run(&arguments).code, 1);
    let named = [&arguments[..], &["--provider", "desk=helpdesk"]].concat();
    assert_eq!(project.run(&named).out, "1 passed, 0 failed\n");

    project.write(
        "package.json",
        r#"{ "tenon": { "providers": { "desk": "helpdesk" } } }"#,
    );
    assert_eq!(project.run(&arguments).out, "1 passed, 0 failed\n");
    let unknown = [&arguments[..], &["--provider", "desk=nobody"]].concat();
    let ran = project.run(&unknown);
    assert!(
        ran.err
            .contains("integration `desk`: there is no provider `nobody`"),
        "{}",
        ran.err
    );
}

#[cfg(unix)]
#[test]
fn an_integration_that_is_a_link_has_the_provider_of_its_target() {
    let project = without_settings();
    std::fs::rename(project.root().join("desk"), project.root().join("helpdesk")).unwrap();
    std::os::unix::fs::symlink("helpdesk", project.root().join("desk")).unwrap();
    project.write("providers.yaml", &PROVIDERS.replace("desk:", "helpdesk:"));
    let arguments = [
        "test",
        "desk",
        "--function",
        "tickets",
        "--providers",
        "providers.yaml",
    ];
    assert_eq!(project.run(&arguments).out, "1 passed, 0 failed\n");
}

#[test]
fn a_fetch_without_credentials_is_answered_from_the_recording() {
    let project = project();
    project.write(
        "desk/actions/close-ticket.ts",
        &CLOSE.replace(
            "const response = await nango.put<{ state: string }>({ endpoint: `/tickets/${input.id}`, data: { state: 'closed' } });",
            "const answer = await nango.uncontrolledFetch({ url: new URL(`https://desk.example.com/tickets/${input.id}`), method: 'PUT', headers: { 'X-Tenant': 't', Authorization: 'Bearer x' }, body: JSON.stringify({ state: 'closed' }) });
             const response = { data: await answer.json() };",
        ),
    );
    let ran = project.run(&["test", "--function", "close-ticket"]);
    assert_eq!(ran.out, "1 passed, 0 failed\n");
    project.write(
        "desk/tests/close-ticket.test.json",
        &CLOSE_FIXTURE.replace("/tickets/7", "/tickets/8"),
    );
    let ran = project.run(&["test", "--function", "close-ticket"]);
    assert!(
        ran.out.contains("No mock found for PUT tickets/7"),
        "{}",
        ran.out
    );
}

#[test]
fn results_come_as_json_lines() {
    let ran = project().run(&["test", "--json"]);
    assert_eq!(ran.err, "2 passed, 0 failed\n");
    let statuses: Vec<String> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| format!("{} {}", line["function"], line["status"]))
        .collect();
    assert_eq!(
        statuses,
        [r#""close-ticket" "passed""#, r#""tickets" "passed""#]
    );
}
