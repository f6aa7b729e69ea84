//! Device authorization: connecting from a program without a browser. Ours; see docs/reference/device-flow.md.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_core::names::{ConnectSessionPk, ConnectionId, EnvironmentPk};
use tenon_engine::auth::{
    device::{self, DeviceError},
    entrance::{EntranceError, Visitor},
};
use tenon_store::environments::EnvironmentRow;

use crate::{
    ApiError, App, ErrorCode, UriParams,
    body::JsonBody,
    caller::{ConnectCaller, scope},
    public::auth::visitor,
    query::Query,
    validate::Object,
};

/// Longest text of one parameter, and most parameters.
const PARAM_CHARS: usize = 8 * 1024;
const MOST_PARAMS: usize = 100;

type DeviceCaller = ConnectCaller<scope::WriteConnectSessions>;

/// `POST /oauth/device`: begins a flow and answers what the person needs.
pub(super) async fn start(
    State(app): State<App>,
    caller: DeviceCaller,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    query.none()?;
    let environment = environment_of(&app, caller.environment()).await?;
    let visitor = checked(environment, caller, &body)?;
    let integration_key = visitor.integration_key.clone();
    let grant = device::start(&app.engine, visitor).await?;
    let shown = json!({
        "id": grant.id,
        "provider_config_key": integration_key,
        "connection_id": grant.connection_id,
        "user_code": grant.user_code,
        "verification_uri": grant.verification_uri,
        "verification_uri_complete": grant.verification_uri_complete,
        "expires_in": grant.expires_in_s,
        "interval": grant.interval_s,
    });
    Ok((StatusCode::CREATED, Json(json!({ "data": shown }))))
}

/// `GET /oauth/device/{id}`: how it goes. Asking more often changes nothing: the provider is asked by the server.
pub(super) async fn status(
    State(app): State<App>,
    caller: DeviceCaller,
    uri: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let session = session_of(&caller);
    let found = device::status(&app.engine, caller.environment(), session, uri.get("id")).await?;
    let flow = found.ok_or_else(|| ApiError::not_found("there is no such device flow"))?;
    let integration = app
        .engine
        .reader()
        .find_integration_by_pk(flow.integration)
        .await?;
    let is_connected = flow.state == "connected";
    let shown = json!({
        "id": flow.id,
        "state": flow.state,
        "provider_config_key": integration.map(|integration| integration.unique_key),
        "connection_id": is_connected.then_some(flow.connection_id),
        "error": flow.error,
        "expires_at": flow.expires_at.iso_millis(),
    });
    Ok(Json(json!({ "data": shown })))
}

async fn environment_of(app: &App, pk: EnvironmentPk) -> Result<EnvironmentRow, ApiError> {
    let found = app.engine.reader().find_environment(pk).await?;
    found.ok_or_else(|| ApiError::internal_text("a caller without environment"))
}

fn session_of(caller: &DeviceCaller) -> Option<ConnectSessionPk> {
    match caller {
        ConnectCaller::Session(session) => Some(session.pk),
        ConnectCaller::Key(_) => None,
    }
}

fn checked(
    environment: EnvironmentRow,
    caller: DeviceCaller,
    body: &JsonBody,
) -> Result<Visitor, ApiError> {
    let session = match caller {
        ConnectCaller::Session(session) => Some(*session),
        ConnectCaller::Key(_) => None,
    };
    let input = body.input();
    let object = input.object();
    let integration_key = object.required("provider_config_key").text();
    let integration_key = integration_key.integration_key().take();
    let connection_id = object
        .optional("connection_id")
        .text()
        .connection_id()
        .get();
    if session.is_some() && connection_id.is_some() {
        object.optional("connection_id").issue(
            "custom",
            "a connect session decides about the connection id itself",
        );
    }
    let params = params(&object);
    let settings = object.optional("metadata").any_object().cloned();
    object.strict();
    drop(object);
    input.finish()?;
    Ok(Visitor {
        environment,
        session,
        needs_hmac: false,
        integration_key,
        connection_id: connection_id
            .map(|id| ConnectionId::parse(&id))
            .transpose()
            .map_err(ApiError::invalid_body)?,
        hmac: None,
        params,
        authorization_params: serde_json::Map::new(),
        user_scope: None,
        settings,
    })
}

/// Texts for the connection config.
fn params(object: &Object<'_>) -> serde_json::Map<String, Value> {
    let Some(given) = object.optional("params").object() else {
        return serde_json::Map::new();
    };
    let entries = given.entries().take(MOST_PARAMS);
    entries
        .map(|(name, field)| {
            let text = field.text().max(PARAM_CHARS).take();
            (name.to_owned(), Value::String(text))
        })
        .collect()
}

impl From<DeviceError> for ApiError {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Entrance(EntranceError::Settings(problems)) => {
                visitor::wrong_settings(ErrorCode::InvalidBody, problems)
            }
            DeviceError::Entrance(error) => visitor::refused(error),
            DeviceError::Unsupported(_) => {
                Self::bad_request(ErrorCode::DeviceFlowUnsupported, &error)
            }
            DeviceError::TooMany => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                ErrorCode::TooManyRequest,
                &error,
            ),
            DeviceError::Provider(failure) => {
                Self::bad_request(ErrorCode::RequestTokenExternalError, &failure)
            }
            DeviceError::Store(error) => error.into(),
        }
    }
}
