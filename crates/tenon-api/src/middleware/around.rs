//! Everything around a route in one place: each layer of its own would cost every request a handful of allocations.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt as _;

use super::{body, cors::Origins, rate_limit, support};
use crate::{App, public::oauth::socket};

/// From the outside to the inside: failures are explained, bodies read, other origins answered, requests counted, panics
/// caught.
pub(crate) async fn route(State(app): State<App>, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = match body::read_json(request).await {
        Ok(request) => shared(&app, request, next).await,
        Err(error) => error.into_response(),
    };
    support::explain(&app, &method, &uri, response)
}

async fn shared(app: &App, request: Request, next: Next) -> Response {
    let origins = Origins::of(&request);
    if let Some(response) = origins.preflight(app, &request) {
        return response;
    }
    let mut response = counted(app, request, next).await;
    origins.mark(app, &mut response);
    response
}

async fn counted(app: &App, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let Some(balance) = rate_limit::count(app, path, request.headers()).await else {
        return caught(app, request, next).await;
    };
    let mut response = if balance.refused {
        rate_limit::refusal(app, &request, &balance)
    } else {
        caught(app, request, next).await
    };
    rate_limit::tell(response.headers_mut(), &balance);
    response
}

async fn caught(app: &App, request: Request, next: Next) -> Response {
    let answer = async move {
        if let Err(error) = body::demand_json(&request) {
            return error.into_response();
        }
        match socket::take(app, request).await {
            Ok(response) => response,
            Err(request) => next.run(request).await,
        }
    };
    // What a handler leaves behind is its own: shared state is behind locks that do not mind.
    AssertUnwindSafe(answer)
        .catch_unwind()
        .await
        .unwrap_or_else(support::panicked)
}
