//! `--connect`: an integration and a connection on a server that lead to the simulator.

use anyhow::{Context as _, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Args;
use crate::{
    commands::server::{Client, ClientError, Request, segment},
    ui,
};

/// A provider whose base URL is a setting of the integration.
const PROVIDER: &str = "private-api-generic";

/// What the simulator is told as credentials; it takes any.
const API_KEY: &str = "simulated";

pub(super) async fn connect(client: &Client, args: &Args, url: &str) -> anyhow::Result<()> {
    integration(client, &args.integration, url)
        .await
        .with_context(|| format!("integration `{}`", args.integration))?;
    connection(client, args)
        .await
        .with_context(|| format!("connection `{}`", args.connection_id))?;
    ui::say(format!(
        "connection `{}` of integration `{}` in `{}` leads here",
        args.connection_id, args.integration, args.server.environment
    ));
    Ok(())
}

async fn integration(client: &Client, name: &str, url: &str) -> anyhow::Result<()> {
    let path = format!("/integrations/{}", segment(name));
    let config = json!({
        "keyPlacement": "header",
        "keyName": "authorization",
        "valueTemplate": "Bearer ${apiKey}",
        "baseUrl": url,
    });
    let found: Result<Value, ClientError> = client.get(&path).await;
    match found {
        Ok(found) if found["data"]["provider"] == PROVIDER => {
            let body = json!({ "integration_config": config });
            let _: Value = client
                .ask(Request::json(Method::PATCH, path, &body))
                .await?;
            Ok(())
        }
        Ok(found) => bail!(
            "it exists already, for provider {}\nhint: run its functions with `tenon dryrun --base-url {url}`, or start the server with a --provider-file",
            found["data"]["provider"]
        ),
        Err(ClientError::Refused {
            status: StatusCode::NOT_FOUND,
            ..
        }) => {
            let body = json!({
                "provider": PROVIDER,
                "unique_key": name,
                "display_name": format!("{name} (simulated)"),
                "integration_config": config,
            });
            let _: Value = client.post("/integrations", &body).await?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn connection(client: &Client, args: &Args) -> Result<(), ClientError> {
    let body = json!({
        "provider_config_key": args.integration,
        "connection_id": args.connection_id,
        "credentials": { "type": "API_KEY", "apiKey": API_KEY },
    });
    let _: Value = client.post("/connections", &body).await?;
    Ok(())
}
