//! The four steps with an environment's own integration: what is there, what is missing, and how to add it.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde_json::{Value, json};
use tenon_engine::environments;
use tenon_store::environments::EnvironmentRow;

use super::steps::{self, Step};
use crate::{
    ApiError, App,
    pages::{
        access::Visitor,
        call::Api,
        layout::{self, Mark, code},
    },
};

/// What an environment has.
struct Found {
    integrations: Vec<String>,
    connections: usize,
    functions: Vec<String>,
    model: Option<String>,
    action: Option<String>,
    webhook_url: Option<String>,
}

/// The page of an environment; the first one if none is named.
pub(super) async fn page(
    app: &App,
    _visitor: &Visitor,
    wanted: Option<&str>,
) -> Result<Markup, Response> {
    let internal = |problem| ApiError::internal(&problem).into_response();
    let environments = app
        .engine
        .reader()
        .list_environments()
        .await
        .map_err(internal)?;
    let chosen = match wanted {
        Some(name) => environments.iter().find(|row| row.name == name),
        None => environments.first(),
    };
    let Some(row) = chosen else {
        return Err(layout::refusal(
            StatusCode::NOT_FOUND,
            "There is no such environment",
            "Choose one that `GET /environments` lists.",
        ));
    };
    let found = found(app, row).await.map_err(internal)?;
    Ok(view(app, &environments, row, &found))
}

async fn found(app: &App, row: &EnvironmentRow) -> Result<Found, tenon_store::StoreError> {
    let key = environments::secret_key(&app.engine, row.pk).await?;
    let mut found = Found {
        integrations: Vec::new(),
        connections: 0,
        functions: Vec::new(),
        model: None,
        action: None,
        webhook_url: row.webhooks.primary_url.clone(),
    };
    let Some(key) = key else { return Ok(found) };
    let api = Api { app, key: &key };
    let (integrations, connections, config) = futures::join!(
        api.get("/integrations", None),
        api.get("/connections?limit=1000", None),
        api.get("/scripts/config?format=nango", None),
    );
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    found.integrations = list(&integrations.body["data"])
        .iter()
        .filter_map(|one| one["unique_key"].as_str().map(str::to_owned))
        .collect();
    found.connections = list(&connections.body["connections"]).len();
    for entry in list(&config.body) {
        let (syncs, actions) = (list(&entry["syncs"]), list(&entry["actions"]));
        let first = |items: &[Value], pointer: &str| {
            items
                .first()
                .and_then(|item| item.pointer(pointer)?.as_str().map(str::to_owned))
        };
        found.model = found.model.or_else(|| first(&syncs, "/returns/0"));
        found.action = found.action.or_else(|| first(&actions, "/name"));
        let names = syncs
            .iter()
            .chain(&actions)
            .filter_map(|item| item["name"].as_str());
        found.functions.extend(names.map(str::to_owned));
    }
    Ok(found)
}

fn view(app: &App, environments: &[EnvironmentRow], row: &EnvironmentRow, found: &Found) -> Markup {
    let host = &app.engine.settings.public_url;
    let integration = found.integrations.first().map_or("zendesk", String::as_str);
    let model = found.model.as_deref().unwrap_or("Ticket");
    let action = found.action.as_deref().unwrap_or("create-ticket");
    let mark = |done: bool| if done { Mark::Done } else { Mark::Next };
    html! {
        div.intro {
            h1 { "Getting started" }
            p { "Four steps lead from a click of your user to their data in your database, and back. This page checks what the environment already has." }
            nav.chips aria-label="Environment" {
                @if app.pages.demo.is_some() { a href="/ui/getting-started" { "Demo walk-through" } }
                @for other in environments {
                    a href={ "/ui/getting-started?environment=" (other.name) } aria-current=[(other.name == row.name).then_some("page")] { (other.name) }
                }
            }
        }
        (steps::panel(&Step {
            id: "connect", number: 1, title: "Connect",
            mark: mark(found.connections > 0),
            text: "Create an integration with the client id of your app at the provider, open a session for your user, and show the Connect UI.",
            code: html! {
                (code("Create the integration", &format!(
                    "curl -X POST {host}/integrations \\\n  -H \"Authorization: Bearer $TENON_SECRET_KEY\" -H 'Content-Type: application/json' \\\n  -d '{}'",
                    json!({ "provider": integration, "unique_key": integration, "credentials": { "type": "OAUTH2", "client_id": "…", "client_secret": "…", "scopes": "…" } })
                )))
                (code("Frontend", &format!(
                    "const nango = new Nango({{ connectSessionToken, host: '{host}' }});\nnango.openConnectUI({{ baseURL: '{host}/connect-ui/', apiURL: '{host}', onEvent }});"
                )))
            },
            live: html! {
                ul.checks {
                    (check(!found.integrations.is_empty(), &match found.integrations.len() { 0 => "No integration yet".to_owned(), count => format!("{count} integrations: {}", found.integrations.join(", ")) }))
                    (check(found.connections > 0, &match found.connections { 0 => "No connection yet".to_owned(), 1 => "1 connection".to_owned(), count => format!("{count} connections") }))
                }
                dl.facts {
                    dt { "Callback URL to register" } dd { code.id { (host) "/oauth/callback" } }
                    dt { "Public key" } dd { code.id { (row.public_key) } }
                }
            },
        }))
        (steps::panel(&Step {
            id: "notify", number: 2, title: "Receive notifications",
            mark: mark(found.webhook_url.is_some() && !found.functions.is_empty()),
            text: "Deploy a sync, and tell Tenon where your backend listens. Webhooks come signed, and only when something changed.",
            code: html! {
                (code("Deploy the functions of a folder", &format!("tenon deploy {}", row.name)))
                (code("Where webhooks go", &format!(
                    "curl -X PATCH {host}/environment \\\n  -H \"Authorization: Bearer $TENON_SECRET_KEY\" -H 'Content-Type: application/json' \\\n  -d '{}'",
                    json!({ "webhook_settings": { "primary_url": "https://your-app.example/webhooks" } })
                )))
            },
            live: html! {
                ul.checks {
                    (check(!found.functions.is_empty(), &if found.functions.is_empty() { "No function deployed yet".to_owned() } else { format!("Functions: {}", found.functions.join(", ")) }))
                    (check(found.webhook_url.is_some(), &found.webhook_url.clone().map_or_else(|| "No webhook URL yet".to_owned(), |url| format!("Webhooks go to {url}"))))
                }
            },
        }))
        (steps::panel(&Step {
            id: "collect", number: 3, title: "Collect the data",
            mark: if found.connections > 0 && found.model.is_some() { Mark::Next } else { Mark::Waiting },
            text: "When a webhook arrives, fetch what changed since its instant.",
            code: code("Backend", &format!(
                "const records = await nango.listRecords<{model}>({{\n    providerConfigKey: '{integration}',\n    connectionId,\n    model: '{model}',\n    modifiedAfter: modifiedAfter\n}});"
            )),
            live: html! { p.hint { @match &found.model { Some(model) => { "Your first model is " code { (model) } "." }, None => { "Models come with syncs." } } } },
        }))
        (steps::panel(&Step {
            id: "write", number: 4, title: "Write back",
            mark: if found.connections > 0 && found.action.is_some() { Mark::Next } else { Mark::Waiting },
            text: "An action calls the external API for you and answers at once.",
            code: code("Backend", &format!(
                "const result = await nango.triggerAction({{\n    providerConfigKey: '{integration}',\n    connectionId,\n    action: '{action}',\n    input: {{ … }}\n}});"
            )),
            live: html! { p.hint { @match &found.action { Some(action) => { "Your first action is " code { (action) } "." }, None => { "Deploy an action first." } } } },
        }))
    }
}

fn check(done: bool, text: &str) -> Markup {
    let mark = if done { Mark::Done } else { Mark::Next };
    html! { li { (mark.with(if done { "done" } else { "open" })) span { (text) } } }
}
