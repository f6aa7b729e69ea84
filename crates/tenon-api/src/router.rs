//! All routes, and what happens around them.

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::{from_fn, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    ApiError, App,
    middleware::{around, headers, path, support},
    pages, public,
};

/// The service of an [`App`].
pub fn router(app: App) -> Router {
    let routes = public::routes()
        .route("/", get(pages::home))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
        .layer(from_fn_with_state(app.clone(), around::route))
        .with_state(app.clone());
    let normalized = MapRequestLayer::new(path::normalize as fn(Request) -> Request);
    // A router of its own around the routes: only there their `allow` headers can be seen.
    let api = Router::new()
        .fallback_service(tower::Layer::layer(&normalized, routes))
        .layer(from_fn(headers::add));
    pages::routes()
        .layer(CatchPanicLayer::custom(support::panicked))
        .with_state(app)
        .fallback_service(api)
}

/// The service of the second listener: the Connect UI alone.
pub fn connect_router(app: App) -> Router {
    pages::connect::standalone(app)
}

/// 404 for whatever no route takes, wrong methods included: a page, or our envelope to whoever asks for JSON.
pub(crate) async fn unknown_route(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let message = format!("there is no `{method} {}`", uri.path());
    let wants_json = headers.get_all(header::ACCEPT).iter().any(|accept| {
        accept
            .to_str()
            .is_ok_and(|text| text.contains("application/json"))
    });
    if wants_json {
        return ApiError::not_found(message).into_response();
    }
    let page = maud::html! {
        (maud::DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Not found" } }
            body { pre { (message) } }
        }
    };
    (StatusCode::NOT_FOUND, Html(page.into_string())).into_response()
}
