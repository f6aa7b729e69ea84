//! From a running Nango server, over its public API: integrations with their secrets, connections with credentials, metadata,
//! tags and settings. Nothing is changed there.

use std::path::PathBuf;

use reqwest::StatusCode;
use serde_json::{Map, Value, json};
use tenon_core::Secret;

use crate::{
    commands::server::{Client, ClientError, ServerArgs, Target, segment},
    config, ui,
};

/// Connections of a page; the reference allows no more.
const PAGE: usize = 1_000;

/// Kinds of credentials that `POST /connections` takes, with the members that it takes of each.
const KINDS: &[(&str, &[&str])] = &[
    (
        "OAUTH2",
        &[
            "access_token",
            "refresh_token",
            "expires_at",
            "config_override",
        ],
    ),
    ("OAUTH1", &["oauth_token", "oauth_token_secret"]),
    (
        "OAUTH2_CC",
        &[
            "token",
            "client_id",
            "client_secret",
            "client_certificate",
            "client_private_key",
            "expires_at",
        ],
    ),
    ("API_KEY", &["apiKey"]),
    ("BASIC", &["username", "password"]),
    ("TBA", &["token_id", "token_secret", "config_override"]),
    ("APP", &["app_id", "installation_id"]),
    ("CUSTOM", &["app_id", "installation_id"]),
    ("NONE", &[]),
];

const HELP: &str = "\
What is here already stays: an import that was cut off is simply done again. Each server's secret key says which environment is
meant. Functions come with `tenon deploy`; syncs then start with the connections.";

/// Arguments of `tenon import nango`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// The Nango server
    #[arg(long = "url", value_name = "URL")]
    from: String,
    /// Secret key of the environment there; or `NANGO_IMPORT_SECRET_KEY`
    #[arg(long, value_name = "KEY")]
    secret_key: Option<String>,
    /// Say what would be taken over and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Environment of this server that it goes to
    #[arg(short = 'e', long, value_name = "NAME", default_value = "dev")]
    environment: String,
    /// This server; a running `tenon dev` otherwise
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Folder to look for `.env` and a running `tenon dev` from
    #[arg(long, value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

#[derive(Default)]
struct Count {
    taken: usize,
    known: usize,
    left: usize,
}

/// Takes everything over that can be.
pub(super) async fn import(args: &Args) -> anyhow::Result<()> {
    let key = args
        .secret_key
        .clone()
        .or_else(|| config::variable("NANGO_IMPORT_SECRET_KEY"));
    let Some(key) = key else {
        anyhow::bail!(
            "no secret key for the Nango server\nhint: --secret-key, or NANGO_IMPORT_SECRET_KEY"
        );
    };
    let from = Client::new(&Target {
        url: args.from.trim_end_matches('/').to_owned(),
        secret_key: Secret::new(key),
    })?;
    let server = ServerArgs {
        environment: args.environment.clone(),
        url: args.to.clone(),
    };
    let to = Client::new(&server.target(&args.path)?)?;
    let transfer = Transfer {
        from,
        to,
        dry_run: args.dry_run,
    };
    let integrations = transfer.integrations().await?;
    let connections = transfer.connections().await?;
    for (what, count) in [("integrations", integrations), ("connections", connections)] {
        ui::say(format!(
            "{what}: {} taken over, {} were here already, {} left out",
            count.taken, count.known, count.left
        ));
    }
    if args.dry_run {
        ui::say("nothing was changed");
    }
    Ok(())
}

struct Transfer {
    from: Client,
    to: Client,
    dry_run: bool,
}

impl Transfer {
    async fn integrations(&self) -> anyhow::Result<Count> {
        let mut count = Count::default();
        let list: Value = self.from.get("/integrations").await?;
        let list = list
            .get("data")
            .or_else(|| list.get("configs"))
            .cloned()
            .unwrap_or_default();
        for listed in list.as_array().into_iter().flatten() {
            let key = listed["unique_key"].as_str().unwrap_or_default();
            if self
                .exists(&format!("/integrations/{}", segment(key)))
                .await?
            {
                count.known += 1;
                continue;
            }
            let path = format!("/integrations/{}?include=credentials", segment(key));
            let shown: Value = self.from.get(&path).await?;
            let body = integration(&shown["data"]);
            self.put(&mut count, "/integrations", key, &body).await?;
        }
        Ok(count)
    }

    async fn connections(&self) -> anyhow::Result<Count> {
        let mut count = Count::default();
        for page in 0.. {
            let path = format!("/connections?limit={PAGE}&page={page}");
            let answer: Value = self.from.get(&path).await?;
            let list = answer["connections"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            for listed in &list {
                self.connection(&mut count, listed).await?;
            }
            if list.len() < PAGE {
                break;
            }
        }
        Ok(count)
    }

    async fn connection(&self, count: &mut Count, listed: &Value) -> anyhow::Result<()> {
        let text = |name: &str| listed[name].as_str().unwrap_or_default();
        let (key, id) = (text("provider_config_key"), text("connection_id"));
        let path = format!(
            "/connections/{}?provider_config_key={}",
            segment(id),
            segment(key)
        );
        let here = format!(
            "/connections?connectionId={}&integrationId={}",
            segment(id),
            segment(key)
        );
        let here: Value = self.to.get(&here).await?;
        if here["connections"]
            .as_array()
            .is_some_and(|list| !list.is_empty())
        {
            count.known += 1;
            return Ok(());
        }
        let name = format!("{key}/{id}");
        let full: Value = match self.from.get(&format!("{path}&refresh_token=true")).await {
            Ok(full) => full,
            Err(ClientError::Refused { text, .. }) => {
                count.left += 1;
                ui::complain(format!("{name}: {text}"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        match connection(&full, listed) {
            Ok(body) => self.put(count, "/connections", &name, &body).await,
            Err(why) => {
                count.left += 1;
                ui::complain(format!("{name}: {why}"));
                Ok(())
            }
        }
    }

    /// Stores something here; a refusal is told, and the rest goes on.
    async fn put(
        &self,
        count: &mut Count,
        path: &str,
        name: &str,
        body: &Value,
    ) -> anyhow::Result<()> {
        if self.dry_run {
            count.taken += 1;
            return Ok(());
        }
        match self.to.post::<Value>(path, body).await {
            Ok(_) => count.taken += 1,
            Err(ClientError::Refused { text, .. }) => {
                count.left += 1;
                ui::complain(format!("{name}: {text}"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn exists(&self, path: &str) -> anyhow::Result<bool> {
        match self.to.get::<Value>(path).await {
            Ok(_) => Ok(true),
            Err(ClientError::Refused { status, .. }) if status == StatusCode::NOT_FOUND => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What `POST /integrations` takes of an integration as it is shown.
fn integration(shown: &Value) -> Value {
    let mut body = json!({"provider": shown["provider"], "unique_key": shown["unique_key"]});
    for name in ["display_name", "forward_webhooks"] {
        if !shown[name].is_null() {
            body[name] = shown[name].clone();
        }
    }
    if let Some(credentials) = shown["credentials"].as_object() {
        let given = credentials.iter().filter(|(_, value)| !value.is_null());
        let mut credentials: Map<String, Value> = given
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        // A list here, a comma list there.
        if let Some(Value::Array(scopes)) = credentials.get("scopes") {
            let scopes: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
            credentials.insert("scopes".to_owned(), scopes.join(",").into());
        }
        if !credentials.is_empty() {
            body["credentials"] = Value::Object(credentials);
        }
    }
    body
}

/// What `POST /connections` takes of a connection as it is shown; or why it cannot be taken over.
fn connection(full: &Value, listed: &Value) -> Result<Value, String> {
    let credentials = full["credentials"].as_object().cloned().unwrap_or_default();
    let kind = credentials
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("NONE");
    let Some((_, members)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        return Err(format!(
            "credentials of type `{kind}` cannot be handed over; its user has to connect again"
        ));
    };
    let mut kept = Map::from_iter([("type".to_owned(), kind.into())]);
    for member in *members {
        if let Some(value) = credentials.get(*member).filter(|value| !value.is_null()) {
            kept.insert((*member).to_owned(), value.clone());
        }
    }
    let mut body = json!({
        "provider_config_key": full["provider_config_key"],
        "connection_id": full["connection_id"],
        "credentials": kept,
    });
    for name in ["metadata", "connection_config", "tags"] {
        if full[name]
            .as_object()
            .is_some_and(|object| !object.is_empty())
        {
            body[name] = full[name].clone();
        }
    }
    let end_user = Some(&full["end_user"]).filter(|user| user.is_object());
    let listed_user = Some(&listed["end_user"]).filter(|user| user.is_object());
    if let Some(user) = end_user.or(listed_user) {
        body["end_user"] = end_user_of(user);
    }
    Ok(body)
}

/// Without the members that an import does not take; the organisation stands among the tags.
fn end_user_of(shown: &Value) -> Value {
    let names = ["id", "email", "display_name", "tags"];
    let given = names.into_iter().filter(|name| !shown[*name].is_null());
    Value::Object(
        given
            .map(|name| (name.to_owned(), shown[name].clone()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{connection, integration};

    #[test]
    fn an_integration_is_taken_as_it_is_shown() {
        let shown = json!({"unique_key": "gh", "provider": "github", "display_name": "GitHub", "logo": "x", "forward_webhooks": false,
            "credentials": {"type": "OAUTH2", "client_id": "a", "client_secret": "b", "scopes": "c,d", "webhook_secret": null}});
        let expected = json!({"provider": "github", "unique_key": "gh", "display_name": "GitHub", "forward_webhooks": false,
            "credentials": {"type": "OAUTH2", "client_id": "a", "client_secret": "b", "scopes": "c,d"}});
        assert_eq!(integration(&shown), expected);
        let none = json!({"unique_key": "k", "provider": "p", "credentials": null});
        assert_eq!(
            integration(&none),
            json!({"provider": "p", "unique_key": "k"})
        );
    }

    #[test]
    fn a_connection_keeps_what_can_be_handed_over() {
        let full = json!({"id": 5, "provider_config_key": "gh", "connection_id": "alice", "metadata": {"a": 1}, "tags": {},
            "connection_config": {"x": "y"}, "errors": [],
            "credentials": {"type": "OAUTH2", "access_token": "t", "refresh_token": "r", "expires_at": "2026-01-01T00:00:00.000Z", "raw": {}}});
        let listed = json!({"end_user": {"id": "u", "email": null, "tags": {}, "organization": {"id": "o", "display_name": null}}});
        let expected = json!({"provider_config_key": "gh", "connection_id": "alice", "metadata": {"a": 1}, "connection_config": {"x": "y"},
            "credentials": {"type": "OAUTH2", "access_token": "t", "refresh_token": "r", "expires_at": "2026-01-01T00:00:00.000Z"},
            "end_user": {"id": "u", "tags": {}}});
        assert_eq!(connection(&full, &listed).unwrap(), expected);
        let other = json!({"credentials": {"type": "TWO_STEP", "token": "t"}});
        assert!(
            connection(&other, &json!({}))
                .unwrap_err()
                .contains("TWO_STEP")
        );
    }
}
