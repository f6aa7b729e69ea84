//! The way through.

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use tenon_core::names::{ConnectionId, IntegrationKey};
use tenon_engine::proxy::{self, ProxyReply, ProxyRequest, ProxyTarget};

use super::{body, failure::Failure, headers::Headers};
use crate::{
    ApiError, App, ErrorCode,
    caller::{Caller, scope},
    middleware::headers::Proxied,
};

/// `ANY /proxy/{*endpoint}`: bodies stream in both directions, the provider's status is ours.
pub(super) async fn forward(
    State(app): State<App>,
    caller: Caller<scope::UseProxy>,
    request: Request,
) -> Result<Response, Failure> {
    let headers = Headers::read(request.headers())?;
    let target = ProxyTarget {
        environment: caller.environment,
        integration: integration(&headers.integration)?,
        connection: connection(&headers.connection)?,
        operation: headers.operation.clone(),
    };
    let endpoint = endpoint(&request);
    let (parts, incoming) = request.into_parts();
    let method = parts.method;
    let mut forwarded = headers.forwarded;
    let body = body::read(&method, &parts.headers, &mut forwarded, incoming).await?;
    let request = ProxyRequest {
        method,
        endpoint,
        headers: forwarded,
        body,
        retries: headers.retries,
        retry_on: headers.retry_on,
        base_url_override: headers.base_url_override,
        decompress: headers.decompress,
        forward_headers_on_redirect: headers.forward_headers_on_redirect,
        for_dry_run: headers.for_dry_run,
    };
    let reply = proxy::send(&app.engine, &target, request).await?;
    Ok(answer(reply))
}

/// Path and query exactly as they came, without `/proxy`.
fn endpoint(request: &Request) -> String {
    let whole = request
        .uri()
        .path_and_query()
        .map_or("", |path_and_query| path_and_query.as_str());
    whole.strip_prefix("/proxy").unwrap_or(whole).to_owned()
}

fn integration(key: &str) -> Result<IntegrationKey, ApiError> {
    IntegrationKey::parse(key).map_err(|_| {
        let message = format!("no integration `{key}`");
        ApiError::new(
            axum::http::StatusCode::NOT_FOUND,
            ErrorCode::UnknownProviderConfig,
            message,
        )
    })
}

fn connection(id: &str) -> Result<ConnectionId, ApiError> {
    ConnectionId::imported(id)
        .map_err(|_| ApiError::bad_request(ErrorCode::ServerError, "no connection with this id"))
}

fn answer(reply: ProxyReply) -> Response {
    let mut response = Response::new(Body::new(reply.body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response.extensions_mut().insert(Proxied);
    response
}
