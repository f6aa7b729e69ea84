//! Functions that leave paging to their provider, against simulators of it: all three ways to page, on a real server.

use serde_json::{Value, json};

use crate::{offline::Running, project::Project, server::Server};

const COUNT: &str = r#"import { createAction } from 'nango';
import { z } from 'zod';
export default createAction({
    description: 'Reads all pages', input: z.void(), output: z.any(),
    exec: async (nango) => {
        const seen: unknown[] = [];
        for await (const page of nango.paginate<{ id: number }>({ endpoint: '/v1/things', paginate: PAGINATE })) {
            seen.push(...page.map((thing) => thing.id));
        }
        const home = await nango.get<{ api_url: string }>({ endpoint: '/v1/home' });
        const there = await nango.get<{ id: number }[]>({ endpoint: '/v1/things', baseUrlOverride: home.data.api_url });
        return [seen, there.status];
    }
});
"#;

/// A page as a fixture has it.
fn page(params: &Value, headers: &Value, response: Value) -> Value {
    json!({ "response": response, "status": 200, "headers": headers, "request": { "params": params } })
}

/// An integration named after a provider of the catalogue, its function and two recorded pages.
fn integration(project: &Project, name: &str, paginate: &str, pages: &[Value]) {
    project.write(
        &format!("{name}/actions/count.ts"),
        &COUNT.replace("PAGINATE", paginate),
    );
    let fixture = json!({ "api": { "get": {
        "/v1/things": pages,
        "/v1/home": page(&json!({}), &json!({}), json!({ "api_url": "https://eu1.example.com" })),
    } } });
    project.write(
        &format!("{name}/tests/count.test.json"),
        &fixture.to_string(),
    );
}

#[test]
fn functions_page_through_simulated_providers_as_the_catalogue_says() {
    let none = json!({});
    let server = Server::start(|project| {
        integration(
            project,
            "slack",
            "{ response_path: 'things' }",
            &[
                page(
                    &none,
                    &none,
                    json!({ "things": [{ "id": 1 }], "response_metadata": { "next_cursor": "c2" } }),
                ),
                page(
                    &json!({ "cursor": "c2" }),
                    &none,
                    json!({ "things": [{ "id": 2 }], "response_metadata": { "next_cursor": "" } }),
                ),
            ],
        );
        let next = json!({ "Link": "<https://api.github.com/v1/things?page=2>; rel=\"next\"" });
        integration(
            project,
            "github",
            "{}",
            &[
                page(&none, &next, json!([{ "id": 1 }])),
                page(&json!({ "page": "2" }), &none, json!([{ "id": 2 }])),
            ],
        );
        integration(
            project,
            "pipedrive",
            "{ limit: 1 }",
            &[
                page(
                    &json!({ "start": "0", "limit": "1" }),
                    &none,
                    json!({ "data": [{ "id": 1 }] }),
                ),
                page(
                    &json!({ "start": "1", "limit": "1" }),
                    &none,
                    json!({ "data": [{ "id": 2 }] }),
                ),
                page(
                    &json!({ "start": "2", "limit": "1" }),
                    &none,
                    json!({ "data": [] }),
                ),
                page(&none, &none, json!({ "data": [] })),
            ],
        );
    });
    let mut simulators = Vec::new();
    for name in ["slack", "github", "pipedrive"] {
        let mut simulator =
            Running::start(
                server
                    .project
                    .tenon(&["simulate", name, "--port", "0", "--connect"]),
            );
        simulator.line_with("leads here");
        simulators.push(simulator);
    }
    server.deploy("import './slack/actions/count.js';\nimport './github/actions/count.js';\nimport './pipedrive/actions/count.js';\n");
    for name in ["slack", "github", "pipedrive"] {
        let headers = [
            ("provider-config-key", name),
            ("connection-id", "simulated"),
        ];
        let answer = server.post(
            "/action/trigger",
            &headers,
            &json!({ "action_name": "count" }),
        );
        assert_eq!(answer, (200, json!([[1, 2], 200])), "{name}");
        let ran = server
            .project
            .run(&["dryrun", "count", "simulated", "--integration-id", name]);
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
    }
}

#[test]
fn a_provider_of_the_operator_can_be_simulated() {
    let project = Project::empty();
    project.write(
        "desk-eu/tests/x.test.json",
        r#"{"api":{"get":{"/tickets":{"response":[],"status":200}}}}"#,
    );
    project.write("own.yaml", "desk:\n  display_name: Desk\n  categories: [ticketing]\n  auth_mode: API_KEY\n  docs: https://example.com\n  proxy:\n    base_url: https://desk.example.com\n");
    let flags = [
        "simulate",
        "desk-eu",
        "--port",
        "0",
        "--provider-file",
        "sim.yaml",
    ];
    let missing = project.run(&flags);
    assert!(
        missing
            .err
            .contains("there is no provider `desk-eu` in the catalogue"),
        "{}",
        missing.err
    );
    let own = [
        &flags[..],
        &["--provider", "desk", "--providers", "own.yaml"],
    ]
    .concat();
    let mut simulator = Running::start(project.tenon(&own));
    let line = simulator.line_with("simulating desk-eu on http://");
    let address = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let text = std::fs::read_to_string(project.root().join("sim.yaml")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        file["desk"]["proxy"]["base_url"],
        format!("http://{address}")
    );
    assert_eq!(file["desk"]["auth_mode"], "API_KEY");
}
