//! What the connect UI needs to know of its session.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::{Map, Value};
use tenon_engine::environments::ConnectUi;

use crate::{ApiError, App, caller::SessionCaller, query::Query};

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    data: Data,
}

#[derive(Debug, Serialize)]
struct Data {
    #[serde(rename = "endUser")]
    end_user: Option<Value>,
    #[serde(rename = "connectUISettings")]
    settings: ConnectUi,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_integrations: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integrations_config_defaults: Option<Value>,
    #[serde(rename = "isReconnecting", skip_serializing_if = "std::ops::Not::not")]
    is_reconnecting: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    overrides: Option<Value>,
    #[serde(rename = "websocketsPath")]
    websockets_path: &'static str,
}

/// `GET /connect/session`
pub(super) async fn get(
    State(app): State<App>,
    SessionCaller(session): SessionCaller,
    query: Query,
) -> Result<Json<Body>, ApiError> {
    query.none()?;
    let parse = |text: &Option<String>| {
        text.as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
    };
    let defaults: Option<Map<String, Value>> = session
        .integrations_config_defaults
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    Ok(Json(Body {
        data: Data {
            end_user: parse(&session.end_user),
            settings: ConnectUi::of(&app.engine, session.environment).await?,
            allowed_integrations: parse(&session.allowed_integrations),
            integrations_config_defaults: defaults.map(|defaults| Value::Object(shown(defaults))),
            is_reconnecting: session.connection.is_some(),
            overrides: parse(&session.overrides),
            websockets_path: "/",
        },
    }))
}

/// Of the defaults a browser sees what it has to fill forms with.
fn shown(defaults: Map<String, Value>) -> Map<String, Value> {
    let keep = |name: &str| matches!(name, "connection_config" | "authorization_params");
    defaults
        .into_iter()
        .map(|(key, mut entry)| {
            if let Value::Object(entry) = &mut entry {
                entry.retain(|name, _| keep(name));
            }
            (key, entry)
        })
        .collect()
}
