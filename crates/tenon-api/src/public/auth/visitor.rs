//! What the query of a flow says.

use axum::http::StatusCode;
use serde_json::{Map, Value};
use tenon_core::names::ConnectionId;
use tenon_engine::{
    auth::entrance::{EntranceError, Visitor},
    records::Problem,
};

use crate::{ApiError, ErrorCode, Issue, UriParams, caller::FlowCaller, query::Query};

/// Longest text of one parameter.
const PARAM_CHARS: usize = 8 * 1024;

/// Checks path and query. Unknown parameters are ignored here, as in the reference.
pub(crate) fn visitor(
    caller: FlowCaller,
    uri: &UriParams,
    query: &Query,
) -> Result<Visitor, ApiError> {
    let integration_key = uri.integration_key("key")?.to_owned();
    let input = query.input();
    let object = input.object();
    let connection_id = object
        .optional("connection_id")
        .text()
        .connection_id()
        .get();
    if caller.session.is_some() && connection_id.is_some() {
        object.optional("connection_id").issue(
            "custom",
            "a connect session decides about the connection id itself",
        );
    }
    let hmac = object.optional("hmac").text().max(255).get();
    let user_scope = object.optional("user_scope").text().max(PARAM_CHARS).get();
    let params = texts(object.optional("params").any_object());
    let authorization_params = texts(object.optional("authorization_params").any_object());
    object.optional("credentials").any_object();
    drop(object);
    input.finish()?;
    let settings = settings(query)?;
    let needs_hmac = caller.needs_hmac();
    Ok(Visitor {
        environment: caller.environment,
        session: caller.session,
        needs_hmac,
        integration_key,
        connection_id: connection_id
            .map(|id| ConnectionId::parse(&id))
            .transpose()
            .map_err(|error| ApiError::bad_request(ErrorCode::InvalidQueryParams, error))?,
        hmac,
        params,
        authorization_params,
        user_scope,
        settings,
    })
}

/// `metadata`: settings of syncs as a JSON object, from a session that asks for them.
fn settings(query: &Query) -> Result<Option<Map<String, Value>>, ApiError> {
    let Some(text) = query.text("metadata") else {
        return Ok(None);
    };
    let parsed = Some(text)
        .filter(|text| text.len() <= PARAM_CHARS)
        .and_then(|text| serde_json::from_str(text).ok());
    match parsed {
        Some(Value::Object(settings)) => Ok(Some(settings)),
        _ => Err(ApiError::invalid(
            ErrorCode::InvalidQueryParams,
            vec![Issue::custom(
                &["metadata"],
                format!("must be a JSON object of at most {PARAM_CHARS} bytes"),
            )],
        )),
    }
}

/// Only texts of a bearable length are parameters.
fn texts(object: Option<&Map<String, Value>>) -> Map<String, Value> {
    let members = object.into_iter().flatten();
    members
        .filter(|(_, value)| value.as_str().is_some_and(|text| text.len() <= PARAM_CHARS))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The answer to a visitor who is turned away.
pub(crate) fn refused(error: EntranceError) -> ApiError {
    let bad = |code| ApiError::bare(StatusCode::BAD_REQUEST, code);
    let missing = |code| ApiError::bare(StatusCode::NOT_FOUND, code);
    match error {
        EntranceError::MissingHmac => ApiError::bad_request(ErrorCode::MissingHmac, &error),
        EntranceError::InvalidHmac => ApiError::bad_request(ErrorCode::InvalidHmac, &error),
        EntranceError::UnknownIntegration(_) => missing(ErrorCode::UnknownProviderConfig),
        EntranceError::UnknownProvider(_) => missing(ErrorCode::UnknownProviderTemplate),
        EntranceError::WrongMode { .. } => bad(ErrorCode::InvalidAuthMode),
        EntranceError::NotAllowed(_) => bad(ErrorCode::IntegrationNotAllowed),
        EntranceError::InvalidConnection => bad(ErrorCode::InvalidConnection),
        EntranceError::Settings(problems) => {
            wrong_settings(ErrorCode::InvalidQueryParams, problems)
        }
        EntranceError::Store(error) => error.into(),
    }
}

/// Settings that do not fit, by the names of the fields.
pub(in crate::public) fn wrong_settings(code: ErrorCode, problems: Vec<Problem>) -> ApiError {
    let issues = problems.into_iter().map(|problem| {
        let name = problem.path.trim_start_matches('/');
        Issue::custom(&["metadata", name], problem.reason)
    });
    ApiError::invalid(code, issues.collect())
}
