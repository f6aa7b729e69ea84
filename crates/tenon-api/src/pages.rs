//! What people see: the Connect UI, getting started, sign-in.
//!
//! Pages stand beside the public API, outside of its layers: no other origin may read them, and what is sent to them is
//! forms. They change things through the engine and the public API only.

mod access;
pub(crate) mod assets;
mod call;
pub mod connect;
mod getting_started;
mod layout;
mod logo;
mod sign_in;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, RawQuery},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

pub(crate) use getting_started::Shown;

use crate::{App, demo::Helpdesk};

/// Who may see the pages of the platform, and what they show.
#[derive(Clone)]
pub struct Pages {
    pub access: Access,
    /// The demo that getting started walks through, where there is one.
    pub demo: Option<Helpdesk>,
}

/// Who may see the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever sits at this machine: requests for `localhost`, `127.0.0.1` or `[::1]` with this port, from our own pages.
    OpenOnLoopback { port: u16 },
    /// Whoever is logged in.
    Login,
}

/// Largest form that a page takes.
const FORM_BYTES: usize = 64 * 1024;

/// Our TypeScript client, for the pages that use it.
const SDK: &str = include_str!("../../../sdk/typescript/index.js");

/// All pages.
pub(crate) fn routes() -> Router<App> {
    let ui = Router::new()
        .route("/ui", get(|| async { Redirect::to("/ui/getting-started") }))
        .route(
            "/ui/",
            get(|| async { Redirect::to("/ui/getting-started") }),
        )
        .route("/ui/assets/{file}", get(asset))
        .merge(sign_in::routes())
        .merge(getting_started::routes())
        .layer(DefaultBodyLimit::max(FORM_BYTES));
    Router::new()
        .merge(connect::routes())
        .merge(logo::routes())
        .merge(ui)
}

/// `GET /`: a person is led to the pages, a program is told what this is.
pub(crate) async fn home(headers: HeaderMap) -> Response {
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if wants_page {
        return Redirect::to("/ui/getting-started").into_response();
    }
    (
        StatusCode::OK,
        axum::Json(serde_json::json!({ "result": "ok" })),
    )
        .into_response()
}

async fn asset(Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let versioned = assets::is_versioned(query.as_deref());
    if name == "sdk.js" {
        return assets::script(SDK, versioned);
    }
    assets::serve(&format!("ui/{name}"), versioned)
}
