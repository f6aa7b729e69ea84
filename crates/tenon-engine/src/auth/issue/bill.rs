//! Sessions opened with user name, password, organization and developer key (auth-and-proxy.md, 6.7).

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};
use tenon_core::auth::CredentialsJson;
use tenon_providers::template;

use super::{Issued, Party, Vars, need, text};
use crate::auth::request::{self, TokenFailure, TokenRequest};

/// Sessions end after 35 minutes without use.
const LIFETIME: Duration = Duration::from_secs(35 * 60);

/// Names as we store them and as they go out.
const FIELDS: [(&str, &str); 4] = [
    ("username", "username"),
    ("password", "password"),
    ("organization_id", "organizationId"),
    ("dev_key", "devKey"),
];

pub(super) async fn issue(
    party: Party<'_>,
    given: &Map<String, Value>,
) -> Result<Issued, TokenFailure> {
    let vars = Vars::new(&party);
    let template = party.provider.token_url().unwrap_or_default();
    let url = vars
        .with(|context| template::render_url(template, context))
        .map_err(|error| TokenFailure::ours("token_url", format!("the token URL has {error}")))?;
    let mut params = Map::new();
    let mut credentials = CredentialsJson::new();
    credentials.insert("type".to_owned(), "BILL".into());
    for (stored, sent) in FIELDS {
        let value = need(given, stored)?;
        params.insert(sent.to_owned(), value.into());
        credentials.insert(stored.to_owned(), value.into());
    }
    let request = TokenRequest::post(url)
        .header("accept", "application/json")
        .header("user-agent", "Tenon")
        .json(&params);
    let raw = request::send(party.engine, request).await?.object()?;
    let Some(session) = text(&raw, "sessionId") else {
        let reason = "the provider's answer holds no session id";
        return Err(TokenFailure::answered(
            "missing_session",
            reason,
            StatusCode::OK,
        ));
    };
    let expires_at = party.engine.clock.now().plus(LIFETIME);
    credentials.insert("session_id".to_owned(), session.into());
    credentials.insert(
        "user_id".to_owned(),
        raw.get("userId").cloned().unwrap_or_default(),
    );
    credentials.insert("expires_at".to_owned(), expires_at.iso_millis().into());
    credentials.insert("raw".to_owned(), Value::Object(raw));
    Ok(Issued::new(credentials, Some(expires_at)))
}
