//! Making ourselves known to a server (RFC 7591).

use serde_json::{Map, Value, json};
use tenon_core::Secret;
use url::Url;

use crate::{
    Engine,
    auth::{
        issue::text,
        oauth2::Client,
        request::{self, TokenFailure, TokenRequest},
    },
};

/// Longest client id and secret that are taken.
const CLIENT_BYTES: usize = 8 * 1024;

/// Registers a public client with one callback URL. `more` are members that the provider wants besides.
pub async fn register(
    engine: &Engine,
    endpoint: Url,
    callback_url: &str,
    client_name: &str,
    more: &Map<String, Value>,
) -> Result<Client, TokenFailure> {
    let mut asked = Map::new();
    asked.insert("redirect_uris".to_owned(), json!([callback_url]));
    asked.insert("token_endpoint_auth_method".to_owned(), "none".into());
    asked.insert("client_name".to_owned(), client_name.into());
    asked.extend(more.clone());
    let request = TokenRequest::post(endpoint)
        .header("accept", "application/json")
        .header("user-agent", "Tenon")
        .json(&asked);
    let answer = request::send(engine, request).await?;
    let status = answer.status;
    let client = answer.object()?;
    let refused = |reason: &str| TokenFailure::answered("client_registration", reason, status);
    let id = text(&client, "client_id").ok_or_else(|| refused("the answer holds no client id"))?;
    let secret = text(&client, "client_secret");
    if id.len() > CLIENT_BYTES || secret.is_some_and(|secret| secret.len() > CLIENT_BYTES) {
        return Err(refused("the client id is too long"));
    }
    if let Some(Value::Array(uris)) = client.get("redirect_uris")
        && !uris.iter().any(|uri| uri == callback_url)
    {
        return Err(refused("another callback URL than ours was registered"));
    }
    Ok(Client {
        id: id.to_owned(),
        secret: secret.map(|secret| Secret::new(secret.to_owned())),
    })
}
