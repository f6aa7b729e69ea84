//! The four steps against the demo helpdesk. What it is called, which model its sync has and what its action asks for
//! is read from what was deployed.

use maud::{Markup, html};
use serde_json::{Map, Value, json};
use tenon_core::{Secret, names::EnvironmentPk};
use tenon_engine::environments::{self, EnvironmentError, WebhookSettingsPatch};
use tenon_store::StoreError;

use super::steps::{self, Step};
use crate::{
    App,
    demo::{Helpdesk, Received},
    pages::{
        access::Visitor,
        call::{Api, Called, Target},
        layout::{Mark, code},
    },
};

/// The end user of the walk-through, as in the first lines of every guide.
const CONNECTION: &str = "user123";

/// Records that step 3 asks for.
const RECORDS: usize = 20;

/// The demo and the key of its environment.
pub(super) struct Demo {
    helpdesk: Helpdesk,
    key: Secret,
    public_key: String,
    environment: EnvironmentPk,
    /// Where the environment's webhooks go.
    webhook_url: Option<String>,
}

/// What is there now.
struct Now {
    connection: Option<Value>,
    connections: usize,
    functions: Functions,
    received: Vec<Received>,
}

/// What was deployed for the integration.
#[derive(Default)]
struct Functions {
    sync: Option<String>,
    model: Option<String>,
    action: Option<String>,
    /// JSON schema of the action's input.
    input: Value,
}

impl Demo {
    /// The demo, where there is one.
    pub(super) async fn of(app: &App) -> Result<Option<Self>, StoreError> {
        let Some(helpdesk) = app.pages.demo.clone() else {
            return Ok(None);
        };
        let name = &helpdesk.plan().environment;
        let Some(row) = app.engine.reader().find_environment_named(name).await? else {
            return Ok(None);
        };
        let key = environments::secret_key(&app.engine, row.pk).await?;
        Ok(key.map(|key| Self {
            helpdesk,
            key,
            public_key: row.public_key,
            environment: row.pk,
            webhook_url: row.webhooks.primary_url,
        }))
    }

    /// Lets webhooks arrive on this page again, after an app of one's own had them.
    pub(super) async fn take_webhooks(&self, app: &App) -> Result<(), EnvironmentError> {
        let patch = WebhookSettingsPatch {
            primary_url: Some(Some(self.helpdesk.inbox_url())),
            ..WebhookSettingsPatch::default()
        };
        environments::patch_webhooks(&app.engine, self.environment, patch).await?;
        Ok(())
    }

    fn api<'a>(&'a self, app: &'a App) -> Api<'a> {
        Api {
            app,
            key: &self.key,
        }
    }

    fn integration(&self) -> &str {
        &self.helpdesk.plan().integration
    }

    /// Opens a connect session for the integration.
    pub(super) async fn open_session(&self, app: &App) -> Called {
        let session = json!({
            "end_user": { "id": CONNECTION, "display_name": "You" },
            "allowed_integrations": [self.integration()],
        });
        self.api(app)
            .post("/connect/sessions", None, &session)
            .await
    }

    /// Starts the syncs of the newest connection.
    pub(super) async fn trigger_sync(&self, app: &App) -> Option<Called> {
        let target = self.target(app).await?;
        let body = json!({
            "provider_config_key": target.integration,
            "connection_id": target.connection_id,
            "syncs": [],
        });
        Some(self.api(app).post("/sync/trigger", None, &body).await)
    }

    /// The newest records of the newest connection.
    pub(super) async fn collect(&self, app: &App) -> Option<Called> {
        let target = self.target(app).await?;
        let model = self.functions(app).await.model?;
        let path = format!("/records?model={model}&limit={RECORDS}");
        Some(self.api(app).get(&path, Some(&target)).await)
    }

    /// Runs the action.
    pub(super) async fn write(&self, app: &App, input: Map<String, Value>) -> Option<Called> {
        let target = self.target(app).await?;
        let action = self.functions(app).await.action?;
        let body = json!({ "action_name": action, "input": input });
        Some(
            self.api(app)
                .post("/action/trigger", Some(&target), &body)
                .await,
        )
    }

    async fn target(&self, app: &App) -> Option<Target> {
        let connection = self.connections(app).await.into_iter().next()?;
        Some(Target {
            integration: self.integration().to_owned(),
            connection_id: connection["connection_id"].as_str()?.to_owned(),
        })
    }

    /// The newest first.
    async fn connections(&self, app: &App) -> Vec<Value> {
        let path = format!("/connections?integrationId={}&limit=50", self.integration());
        match self.api(app).get(&path, None).await.body["connections"].take() {
            Value::Array(list) => list,
            _ => Vec::new(),
        }
    }

    async fn functions(&self, app: &App) -> Functions {
        let config = self
            .api(app)
            .get("/scripts/config?format=nango", None)
            .await;
        let ours = config.body.as_array().and_then(|list| {
            list.iter()
                .find(|entry| entry["providerConfigKey"] == self.integration())
        });
        let Some(entry) = ours else {
            return Functions::default();
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let action = &entry["actions"][0];
        let input = action["input"]
            .as_str()
            .map(|name| action["json_schema"]["definitions"][name].clone())
            .unwrap_or_default();
        Functions {
            sync: text(&entry["syncs"][0]["name"]),
            model: text(&entry["syncs"][0]["returns"][0]),
            action: text(&action["name"]),
            input,
        }
    }

    async fn now(&self, app: &App) -> Now {
        let (connections, functions) = futures::join!(self.connections(app), self.functions(app));
        Now {
            connections: connections.len(),
            connection: connections.into_iter().next(),
            functions,
            received: self.helpdesk.received(),
        }
    }

    /// The whole page.
    pub(super) async fn page(&self, app: &App, visitor: &Visitor) -> Markup {
        let now = self.now(app).await;
        let shown = app.shown.lock().clone();
        let syncs = now
            .received
            .iter()
            .any(|webhook| webhook.body["type"] == "sync");
        let collected = shown.collected.as_ref().is_some_and(Called::is_success);
        let written = shown.written.as_ref().is_some_and(Called::is_success);
        let connected = now.connection.is_some();
        let mark = |done: bool, before: bool| match (done, before) {
            (true, _) => Mark::Done,
            (false, true) => Mark::Next,
            (false, false) => Mark::Waiting,
        };
        html! {
            div.intro {
                h1 { "Getting started" }
                p {
                    "Four steps lead from a click of your user to their data in your database, and back. Here they run against a demo helpdesk on this machine: "
                    "every request on this page is real. "
                    a href="/ui/getting-started?environment=dev" { "Use your own integration instead" } "."
                }
            }
            (steps::panel(&Step {
                id: "connect", number: 1, title: "Connect",
                mark: mark(connected, true),
                text: "Your user allows the access in a window of the external service. Tenon keeps the credentials and refreshes them; you keep two ids.",
                code: self.connect_code(),
                live: self.connect_live(&now, visitor),
            }))
            (steps::panel(&Step {
                id: "notify", number: 2, title: "Receive notifications",
                mark: mark(syncs, connected),
                text: "From then on the sync runs by itself. When something changed, your backend gets a signed webhook; when nothing did, it gets nothing.",
                code: self.notify_code(&now),
                live: self.notify_live(&now, visitor),
            }))
            (steps::panel(&Step {
                id: "collect", number: 3, title: "Collect the data",
                mark: mark(collected, syncs),
                text: "Fetch what changed since the webhook's instant, in the shape that you defined. Every record says whether it was added, updated or deleted.",
                code: self.collect_code(&now),
                live: self.collect_live(&now, shown.collected.as_ref(), visitor),
            }))
            (steps::panel(&Step {
                id: "write", number: 4, title: "Write back",
                mark: mark(written, connected),
                text: "An action calls the external API for you and answers at once. The next sync brings the change back as a record.",
                code: self.write_code(&now),
                live: self.write_live(&now, shown.written.as_ref(), visitor),
            }))
            (self.next_steps(&now))
        }
    }

    fn connect_code(&self) -> Markup {
        let integration = self.integration();
        code(
            "Frontend",
            &format!(
                "const result = await nango.auth('{integration}', '{CONNECTION}');\n\n\
                 if (result.ok) {{\n    \
                     // The integration is set up.\n    \
                     saveToDatabase('{CONNECTION}', '{integration}');\n\
                 }}"
            ),
        )
    }

    fn connect_live(&self, now: &Now, visitor: &Visitor) -> Markup {
        let label = if now.connection.is_some() {
            "Connect another account"
        } else {
            "Connect the demo helpdesk"
        };
        html! {
            @if let Some(connection) = &now.connection {
                dl.facts {
                    dt { "Connection" } dd { code.id { (connection["connection_id"].as_str().unwrap_or_default()) } }
                    dt { "Integration" } dd { code.id { (self.integration()) } }
                    dt { "Since" } dd { (steps::time(connection["created"].as_str().unwrap_or_default())) }
                    @if now.connections > 1 { dt { "Connections" } dd { (now.connections) } }
                }
            } @else {
                p.hint { "The demo helpdesk asks you to allow the access, as Zendesk or GitHub would." }
            }
            div.row {
                form method="post" action="/ui/getting-started/connect" data-connect=(self.integration()) {
                    (steps::csrf(visitor))
                    button type="submit" class=(if now.connection.is_some() { "plain" } else { "primary" }) { (label) }
                }
                button.plain.needs-script type="button" hidden data-auth=(self.integration()) data-connection=(CONNECTION) data-public-key=(self.public_key) {
                    "Run the snippet"
                }
            }
            p.notice.err data-problem="connect" hidden role="alert" {}
        }
    }

    fn notify_code(&self, now: &Now) -> Markup {
        let sample = json!({
            "type": "sync",
            "connectionId": CONNECTION,
            "providerConfigKey": self.integration(),
            "model": now.functions.model,
            "responseResults": { "added": 2, "updated": 6, "deleted": 0 },
            "modifiedAfter": "2026-05-31T11:46:13.390Z",
        });
        code("Webhook to your backend", &steps::pretty(&sample))
    }

    fn notify_live(&self, now: &Now, visitor: &Visitor) -> Markup {
        let elsewhere = self
            .webhook_url
            .as_ref()
            .filter(|url| **url != self.helpdesk.inbox_url());
        html! {
            @if let Some(url) = elsewhere {
                div.notice {
                    p { "The webhooks of this environment go to " code { (url) } ", so they do not arrive here." }
                    form method="post" action="/ui/getting-started/inbox" data-step="notify" {
                        (steps::csrf(visitor))
                        button.plain type="submit" { "Send them here" }
                    }
                }
            } @else if now.received.is_empty() {
                p.hint {
                    @if now.connection.is_some() { "The first sync runs; its webhook arrives here in a moment." }
                    @else { "Connect an account first. The demo's app waits for webhooks at " code { (self.helpdesk.inbox_url()) } "." }
                }
            } @else {
                ul.feed aria-label="Webhooks received" {
                    @for webhook in now.received.iter().take(6) { (webhook_row(webhook)) }
                }
            }
            div.row {
                @if now.connection.is_some() {
                    a.button.plain href=(self.helpdesk.url()) target="_blank" rel="noopener" { "Change a ticket" }
                    form method="post" action="/ui/getting-started/sync" data-step="notify" {
                        (steps::csrf(visitor))
                        button.plain type="submit" { "Sync now" }
                    }
                }
            }
        }
    }

    fn collect_code(&self, now: &Now) -> Markup {
        let model = now.functions.model.as_deref().unwrap_or("Model");
        code(
            "Backend",
            &format!(
                "const records = await nango.listRecords<{model}>({{\n    \
                     providerConfigKey: '{}',\n    \
                     connectionId: '{CONNECTION}',\n    \
                     model: '{model}',\n    \
                     modifiedAfter: modifiedAfter\n\
                 }});",
                self.integration()
            ),
        )
    }

    fn collect_live(&self, now: &Now, collected: Option<&Called>, visitor: &Visitor) -> Markup {
        html! {
            @match collected {
                Some(called) if called.is_success() => {
                    @let records = called.body["records"].as_array().map_or(&[][..], Vec::as_slice);
                    (steps::answer_line(called, &format!("{} records", records.len())))
                    (steps::records(records))
                }
                Some(called) => (steps::failure(called)),
                None => p.hint {
                    @if now.connection.is_some() { "Nothing fetched yet." } @else { "There is nothing to fetch before an account is connected." }
                },
            }
            form method="post" action="/ui/getting-started/collect" data-step="collect" {
                (steps::csrf(visitor))
                button.plain type="submit" disabled[now.connection.is_none()] { "Fetch the records" }
            }
        }
    }

    fn write_code(&self, now: &Now) -> Markup {
        let action = now.functions.action.as_deref().unwrap_or("action");
        let fields: Vec<String> = steps::properties(&now.functions.input)
            .map(|(name, _)| format!("{name}: '…'"))
            .collect();
        code(
            "Backend",
            &format!(
                "const result = await nango.triggerAction({{\n    \
                     providerConfigKey: '{}',\n    \
                     connectionId: '{CONNECTION}',\n    \
                     action: '{action}',\n    \
                     input: {{ {} }}\n\
                 }});",
                self.integration(),
                fields.join(", ")
            ),
        )
    }

    fn write_live(&self, now: &Now, written: Option<&Called>, visitor: &Visitor) -> Markup {
        html! {
            form.stack method="post" action="/ui/getting-started/write" data-step="write" {
                (steps::csrf(visitor))
                @for (name, required) in steps::properties(&now.functions.input) {
                    label { (steps::sentence(name)) input name=(name) required[required] maxlength="500" disabled[now.connection.is_none()]; }
                }
                div.row {
                    button.plain type="submit" disabled[now.connection.is_none()] { "Trigger the action" }
                }
            }
            @if let Some(called) = written {
                @if called.is_success() {
                    (steps::answer_line(called, "the external API answered"))
                    (steps::json_block(&called.body))
                    p.hint { "It is at the " a href=(self.helpdesk.url()) target="_blank" rel="noopener" { "helpdesk" } ". Step 2 will report it as added." }
                } @else {
                    (steps::failure(called))
                }
            }
        }
    }

    fn next_steps(&self, now: &Now) -> Markup {
        let functions = [&now.functions.sync, &now.functions.action];
        let names: Vec<&str> = functions
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        html! {
            section.panel aria-labelledby="next" {
                h2 id="next" { "Now with your own" }
                p {
                    "The demo is not built in: its provider is a provider file, its functions "
                    @if !names.is_empty() { "(" (names.join(", ")) ") " }
                    "are TypeScript in " code { "examples/helpdesk" } ". Copy that folder, change it, and start " code { "tenon dev" } " in it: it deploys on every save."
                }
                p {
                    a href="/ui/getting-started?environment=dev" { "Set up an integration of your own" }
                    " in the environment " code { "dev" } ". The keys of all environments stand in " code { ".tenon/dev.json" } "."
                }
            }
        }
    }
}

fn webhook_row(webhook: &Received) -> Markup {
    let body = &webhook.body;
    let kind = body["type"].as_str().unwrap_or("webhook");
    let failed = body["success"] == false;
    let mark = if failed { Mark::Failed } else { Mark::Done };
    html! {
        li {
            details {
                summary {
                    (steps::time(&webhook.at.iso_millis()))
                    (mark.with(if failed { "failed" } else { kind }))
                    span.what {
                        @if let Some(model) = body["model"].as_str() { (model) " " (steps::counts(&body["responseResults"])) }
                        @else if let Some(operation) = body["operation"].as_str() { (operation) }
                    }
                    @if webhook.signed { span.meta { "signature checked" } }
                }
                (steps::json_block(body))
            }
        }
    }
}
