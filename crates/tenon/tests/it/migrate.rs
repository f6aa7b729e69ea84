//! `tenon migrate`.

use std::fs;

use crate::project::Project;

const YAML: &str = "
integrations:
  desk:
    syncs:
      tickets:
        description: Copies tickets
        runs: every hour
        sync_type: full
        track_deletes: true
        output: Ticket
        input: Filter
        endpoint: GET /tickets
        scopes: tickets:read, users:read
        webhook-subscriptions: [ticket.created]
    actions:
      close-ticket:
        input: string
        output: Ticket[]
        endpoint: { method: POST, path: /close, group: Tickets }
    on-events:
      post-connection-creation:
        - welcome
models:
  Filter:
    team: string
  Ticket:
    id: string
    title: string
    state: open | closed
    parent?: Ticket | null
";

const SYNC: &str = "import type { NangoSync, Ticket } from '../../models';
import { toTicket } from '../helpers/to-ticket';

const PAGE = 100;

export default async function fetchData(nango: NangoSync): Promise<void> {
    const response = await nango.get<{ n: number }[]>({ endpoint: '/tickets', params: { limit: PAGE } });
    await nango.batchSave<Ticket>(response.data.map(toTicket), 'Ticket');
}

export async function onWebhookPayloadReceived(nango: NangoSync, payload: any): Promise<void> {
    await nango.batchSave<Ticket>([toTicket(payload)], 'Ticket');
}

export const helper = (x: number) => x;
";

fn project() -> Project {
    let project = Project::empty();
    project.write("nango.yaml", YAML);
    project.write("models.ts", "export interface Ticket { id: string }\n");
    project.write("desk/syncs/tickets.ts", SYNC);
    project.write(
        "desk/actions/close-ticket.ts",
        "export default async (nango: any, input: string) => { const response = await nango.put({ endpoint: `/tickets/${input}` }); return [response.data]; };\n",
    );
    project.write(
        "desk/on-events/welcome.ts",
        "async function execute(nango: any) { await nango.log('hello'); }\nexport default execute;\n",
    );
    project.write(
        "desk/helpers/to-ticket.ts",
        "import type { Ticket } from '../../models';\nexport const toTicket = (raw: { n: number }): Ticket => ({ id: String(raw.n), title: 't', state: 'open' });\n",
    );
    project
}

#[test]
fn a_yaml_project_becomes_one_that_compiles_and_runs() {
    let project = project();
    let ran = project.run(&["migrate"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.ends_with("3 functions migrated; they compile\n"),
        "{}",
        ran.out
    );
    let read = |path: &str| fs::read_to_string(project.root().join(path)).unwrap();
    assert_eq!(
        read("index.ts"),
        "import './desk/syncs/tickets.js';\nimport './desk/actions/close-ticket.js';\nimport './desk/on-events/welcome.js';\n"
    );
    let sync = read("desk/syncs/tickets.ts");
    for part in [
        "import { createSync } from 'nango';\nimport * as schemas from '../../models.js';\n",
        "import { toTicket } from '../helpers/to-ticket.js';",
        "export default createSync({\n    description: 'Copies tickets',\n    frequency: 'every hour',\n    autoStart: true,\n    syncType: 'full',\n    trackDeletes: true,\n    models: { Ticket: schemas.Ticket },\n    endpoints: [{ method: 'GET', path: '/tickets' }],\n    metadata: schemas.Filter,\n    webhookSubscriptions: [\"ticket.created\"],\n    scopes: [\"tickets:read\",\"users:read\"],\n    exec: async (nango) => {\n",
        "onWebhook: async (nango, payload) => {\n",
        "\nconst helper =",
    ] {
        assert!(sync.contains(part), "{part}\n{sync}");
    }
    assert!(!project.root().join("nango.yaml").exists());
    assert!(read("models.ts.old").contains("interface Ticket"));

    project.write(
        "desk/tests/tickets.test.json",
        r#"{"api":{"get":{"/tickets":{"response":[{"n":1}],"status":200,"headers":{},"request":{"params":{"limit":"100"}}}}},
            "nango":{"batchSave":{"Ticket":[{"id":"1","title":"t","state":"open"}]},"batchDelete":{"Ticket":[]}}}"#,
    );
    project.write(
        "desk/tests/close-ticket.test.json",
        r#"{"input":"7","output":[{"id":"7"}],"api":{"put":{"/tickets/7":{"response":{"id":"7"},"status":200}}},"nango":{}}"#,
    );
    let ran = project.run(&["test"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "2 passed, 0 failed\n"),
        "{ran:?}"
    );
}

#[test]
fn nothing_is_written_unless_everything_can_be() {
    let project = project();
    let before = fs::read_to_string(project.root().join("desk/syncs/tickets.ts")).unwrap();
    let ran = project.run(&["migrate", "--dry-run"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("would write desk/syncs/tickets.ts\n"),
        "{}",
        ran.out
    );
    fs::remove_file(project.root().join("desk/on-events/welcome.ts")).unwrap();
    let ran = project.run(&["migrate"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err.contains("there is no code of `desk/welcome`"),
        "{}",
        ran.err
    );
    let after = fs::read_to_string(project.root().join("desk/syncs/tickets.ts")).unwrap();
    assert_eq!(before, after);
    assert!(!project.root().join("index.ts").exists());
    let nothing = Project::empty().run(&["migrate"]);
    assert_eq!(nothing.code, 1);
}

/// The first version of nango.yaml: functions directly below their integration, told apart by `type`.
const FIRST_YAML: &str = "
integrations:
  desk:
    tickets:
      type: sync
      description: Copies tickets
      runs: every half hour
      track_deletes: true
      auto_start: false
      returns:
        - Ticket
        - User
    plain:
      runs: every day
      returns: Contact
    close-ticket:
      type: action
      returns: Ticket
models:
  User:
    id: string
    name: string
  Contact:
    id: string
  Ticket:
    __extends: User
    open: boolean
    labels: string[]
    count: integer
";

#[test]
fn a_project_of_the_first_yaml_version_becomes_one_that_compiles_and_runs() {
    let project = Project::empty();
    project.write("nango.yaml", FIRST_YAML);
    let saves = |model: &str, record: &str| {
        format!(
            "import type {{ NangoSync, {model} }} from './models';\nimport {{ ALL }} from './helpers/paths';\nexport default async function fetchData(nango: NangoSync): Promise<void> {{\n    await nango.get({{ endpoint: ALL }});\n    await nango.batchSave<{model}>([{record}], '{model}');\n}}\n"
        )
    };
    // They lay beside nango.yaml; what they import stays there.
    project.write("helpers/paths.ts", "export const ALL = '/all';\n");
    project.write(
        "tickets.ts",
        &saves(
            "Ticket",
            "{ id: '1', name: 'n', open: true, labels: [], count: 2 }",
        ),
    );
    project.write("plain.ts", &saves("Contact", "{ id: '1' }"));
    project.write(
        "close-ticket.ts",
        "import type { NangoAction, Ticket } from './models';\nexport default async function run(nango: NangoAction, input: any): Promise<Ticket> {\n    return { id: input.id, name: 'n', open: false, labels: ['closed'], count: 1 };\n}\n",
    );
    let ran = project.run(&["migrate"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.ends_with("3 functions migrated; they compile\n"),
        "{}",
        ran.out
    );
    let read = |path: &str| fs::read_to_string(project.root().join(path)).unwrap();
    let sync = read("desk/syncs/tickets.ts");
    for part in [
        "frequency: 'every half hour',\n    autoStart: false,\n",
        "trackDeletes: true,\n    models: { Ticket: schemas.Ticket, User: schemas.User },\n",
    ] {
        assert!(sync.contains(part), "{part}\n{sync}");
    }
    let plain = read("desk/syncs/plain.ts");
    assert!(plain.contains("autoStart: true,"), "{plain}");
    assert!(plain.contains("from '../../helpers/paths.js';"), "{plain}");
    assert!(read("desk/actions/close-ticket.ts").contains("output: schemas.Ticket"));
    project.write(
        "desk/tests/close-ticket.test.json",
        r#"{"input":{"id":"7"},"output":{"id":"7","name":"n","open":false,"labels":["closed"],"count":1},"api":{},"nango":{}}"#,
    );
    let ran = project.run(&["test"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "1 passed, 0 failed\n"),
        "{ran:?}"
    );
}
