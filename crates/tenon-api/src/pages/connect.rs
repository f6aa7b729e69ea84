//! The Connect UI: one document, one style sheet, one module (connect-ui-and-dashboard.md, A and B).
//!
//! It stands at `/connect-ui/` beside the API, and at `/` on a listener of its own.

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use super::assets;
use crate::App;

/// The Connect UI beside the API.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/connect-ui", get(add_slash))
        .route("/connect-ui/", get(beside_api))
        .route("/connect-ui/{file}", get(file_beside_api))
        .route("/connect-ui/texts/{file}", get(texts))
}

/// The Connect UI alone, for the second listener.
pub fn standalone(app: App) -> Router {
    Router::new()
        .route("/", get(alone))
        .route("/{file}", get(file_alone))
        .route("/texts/{file}", get(texts))
        .with_state(app)
}

/// Asset URLs are relative, so the page needs its slash.
async fn add_slash(RawQuery(query): RawQuery) -> Redirect {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::temporary(&format!("connect-ui/{query}"))
}

async fn beside_api(State(app): State<App>) -> Response {
    page(&app, "")
}

async fn alone(State(app): State<App>) -> Response {
    page(&app, &app.engine.settings.public_url)
}

async fn file_beside_api(state: State<App>, path: Path<String>, query: RawQuery) -> Response {
    if path.contains('.') {
        return file(&path, query);
    }
    beside_api(state).await
}

async fn file_alone(state: State<App>, path: Path<String>, query: RawQuery) -> Response {
    if path.contains('.') {
        return file(&path, query);
    }
    alone(state).await
}

async fn texts(Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    assets::serve(
        &format!("connect/texts/{name}"),
        assets::is_versioned(query.as_deref()),
    )
}

fn file(name: &str, RawQuery(query): RawQuery) -> Response {
    assets::serve(
        &format!("connect/{name}"),
        assets::is_versioned(query.as_deref()),
    )
}

/// The document. `api` is empty where the page finds the API by its own address.
fn page(app: &App, api: &str) -> Response {
    let Some(document) = assets::text("connect/index.html") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let html = document
        .replace("{{api}}", &maud::html! { (api) }.into_string())
        .replace("{{version}}", assets::version());
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("strict-origin"),
        ),
        (header::CONTENT_SECURITY_POLICY, policy(app)),
    ];
    // No `X-Frame-Options`: applications show this page in a frame.
    (headers, html).into_response()
}

/// Nothing from elsewhere but the API and its sockets. The API may be reached under several names of this machine, and
/// an `apiURL` is judged by the page itself.
fn policy(app: &App) -> HeaderValue {
    let public = &app.engine.settings.public_url;
    let origin = url::Url::parse(public).map_or_else(
        |_| "'self'".to_owned(),
        |url| url.origin().ascii_serialization(),
    );
    let port = url::Url::parse(public)
        .ok()
        .and_then(|url| url.port())
        .map(|port| format!(" http://localhost:{port} ws://localhost:{port} http://127.0.0.1:{port} ws://127.0.0.1:{port}"))
        .unwrap_or_default();
    let socket = origin.replacen("http", "ws", 1);
    let text = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https: {origin}{port}; \
         connect-src 'self' {origin} {socket}{port}; base-uri 'none'; form-action 'none'"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::assets;

    const LANGUAGES: [&str; 5] = ["en", "de", "fr", "es", "ja"];

    fn texts(language: &str) -> serde_json::Map<String, serde_json::Value> {
        let text = assets::text(&format!("connect/texts/{language}.json"))
            .expect("the language has a file");
        serde_json::from_str(&text).expect("it is a JSON object")
    }

    #[test]
    fn every_language_has_every_text_with_its_placeholders() {
        let placeholders = |text: &str| -> BTreeSet<String> {
            text.split('{')
                .skip(1)
                .filter_map(|part| part.split_once('}').map(|(name, _)| name.to_owned()))
                .collect()
        };
        let english = texts("en");
        for language in LANGUAGES {
            let own = texts(language);
            assert_eq!(
                own.keys().collect::<BTreeSet<_>>(),
                english.keys().collect::<BTreeSet<_>>(),
                "{language}"
            );
            for (key, text) in &own {
                let text = text.as_str().expect("a text");
                let original = english[key].as_str().expect("a text");
                assert!(!text.is_empty(), "{language}: {key}");
                assert_eq!(
                    placeholders(text),
                    placeholders(original),
                    "{language}: {key}"
                );
            }
        }
    }

    #[test]
    fn every_text_that_the_module_asks_for_exists_and_none_is_left_over() {
        let module = assets::text("connect/connect.js").expect("the module");
        let known: BTreeSet<String> = texts("en").keys().cloned().collect();
        for key in &known {
            let named = [format!("'{key}'"), format!("`{key}`")]
                .iter()
                .any(|quoted| module.contains(quoted));
            let computed = key.starts_with("bad_") && module.contains("`bad_${format}`");
            assert!(named || computed, "`{key}` is used");
        }
        for part in module.split("text('").skip(1) {
            let key = part.split('\'').next().unwrap_or_default();
            assert!(known.contains(key), "`{key}` exists");
        }
    }

    #[test]
    fn the_files_stay_small() {
        let size = |name: &str| assets::text(name).expect("it exists").len();
        assert!(size("connect/index.html") <= 6_000);
        assert!(size("connect/connect.css") <= 8_192);
        assert!(size("connect/connect.js") <= 40_000);
    }
}
