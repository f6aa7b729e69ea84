//! Takes a webhook of a provider.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tenon_core::limits;
use tenon_engine::inbound::{self, Accepted, Incoming, OwnAnswer, Refused};
use uuid::Uuid;

use super::body;
use crate::{
    ApiError, App, ErrorCode, UriParams, middleware::rate_limit, router::unknown_route,
    validate::Input,
};

/// When to send again what found the queue full.
const RETRY_AFTER_S: u64 = 5;

/// Most query parameters that are looked at.
const MAX_PARAMETERS: usize = 100;

/// `ANY /webhook/{environment_uuid}/{unique_key}`
pub(super) async fn receive(
    State(app): State<App>,
    params: UriParams,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (environment, integration) = checked(&params)?;
    let balance = app.inbound_limiter.spend(
        app.engine
            .settings
            .webhook_rate_limit_per_minute
            .unwrap_or(limits::INBOUND_PER_MINUTE),
        rate_limit::Bucket::inbound(&environment, &integration),
        app.engine.clock.now().secs(),
    );
    let enforced = app.engine.settings.webhook_rate_limit_per_minute.is_some();
    let mut response = if enforced && balance.refused {
        full(balance.reset_in_s(app.engine.clock.now().secs())).into_response()
    } else {
        take(
            &app,
            &environment,
            &integration,
            method,
            &uri,
            headers,
            body,
        )
        .await
        .unwrap_or_else(IntoResponse::into_response)
    };
    rate_limit::tell(response.headers_mut(), &balance);
    Ok(response)
}

fn checked(params: &UriParams) -> Result<(String, String), ApiError> {
    let environment = params.get("environment_uuid");
    let input = params.input();
    if Uuid::try_parse(environment).is_err() || environment.len() != 36 {
        input.issue(
            "invalid_format",
            vec!["environmentUuid".to_owned()],
            "Invalid UUID",
        );
    }
    let integration = key(&input);
    input.finish()?;
    Ok((environment.to_ascii_lowercase(), integration))
}

fn key(input: &Input<'_>) -> String {
    let object = input.object();
    object
        .required("unique_key")
        .text()
        .integration_key()
        .take()
}

async fn take(
    app: &App,
    environment: &str,
    integration: &str,
    method: Method,
    uri: &Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let read = body::read(&headers, body).await?;
    let incoming = Incoming::new(
        method.as_str().to_owned(),
        pairs(&headers),
        query(uri),
        read.value,
        read.raw,
    );
    match inbound::accept(&app.engine, environment, integration, incoming).await {
        Ok(Accepted::Stored) => Ok(Json(json!({ "status": "success" })).into_response()),
        Ok(Accepted::Unrouted) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Accepted::Own(answer)) => Ok(own(answer)),
        Err(Refused::Method) => Ok(unknown_route(method, uri.clone(), headers).await),
        Err(refused) => refusal(&refused),
    }
}

fn own(answer: OwnAnswer) -> Response {
    match answer {
        OwnAnswer::Empty => StatusCode::OK.into_response(),
        OwnAnswer::Text(text) => (
            // The text came from outside: nobody is to take it for a page.
            [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ],
            text,
        )
            .into_response(),
        OwnAnswer::Json(json) => Json(json).into_response(),
    }
}

/// Refusals of the routing itself have no envelope, as in the reference.
fn refusal(refused: &Refused) -> Result<Response, ApiError> {
    let plain = |status: StatusCode| {
        let body: Value = json!({ "error": refused.to_string() });
        Ok((status, Json(body)).into_response())
    };
    match refused {
        Refused::UnknownEnvironment => Err(ApiError::bare(
            StatusCode::NOT_FOUND,
            ErrorCode::UnknownEnvironment,
        )),
        Refused::UnknownIntegration => Err(ApiError::bare(
            StatusCode::NOT_FOUND,
            ErrorCode::UnknownProviderConfig,
        )),
        Refused::MissingSignature | Refused::InvalidSignature | Refused::MissingToken => {
            plain(StatusCode::UNAUTHORIZED)
        }
        Refused::MissingConnection => plain(StatusCode::BAD_REQUEST),
        Refused::Full => Err(full(RETRY_AFTER_S)),
        Refused::Method => Err(ApiError::not_found(refused)),
        Refused::Store(error) => Err(ApiError::internal(error)),
    }
}

fn full(retry_after_s: u64) -> ApiError {
    let mut error = ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TooManyRequest,
        "too many webhooks; send this one again later",
    );
    error.retry_after_s = Some(retry_after_s);
    error
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), text)
        })
        .collect()
}

fn query(uri: &Uri) -> Vec<(String, String)> {
    let query = uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .take(MAX_PARAMETERS)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}
