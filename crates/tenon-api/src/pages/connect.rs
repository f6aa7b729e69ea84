//! The Connect UI: one document, one style sheet, one module (connect-ui-and-dashboard.md, A and B).
//!
//! It stands at `/connect-ui/` beside the API, and at `/` on a listener of its own.

mod languages;
mod module;

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use tenon_engine::{
    connections::sessions,
    environments::{ConnectUi, frame_origins},
};
use tenon_store::StoreError;
use url::Url;

use super::assets;
use crate::App;

pub use languages::{Languages, LanguagesError};

/// What an operator decides about the pages.
#[derive(Debug, Default)]
pub struct ConnectPages {
    pub languages: Languages,
    /// Addresses of this API beside the public one that pages may talk to.
    pub api_urls: Vec<String>,
}

/// The pages that stand here: one document, with another module each.
#[derive(Clone, Copy, Debug)]
enum Document {
    Connect,
    MyConnections,
}

impl Document {
    /// Title until the module runs, name of the module, and style sheets.
    const fn parts(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Self::Connect => ("Connect an account", "connect", &["connect"]),
            Self::MyConnections => (
                "My connections",
                "my-connections",
                &["connect", "my-connections"],
            ),
        }
    }

    /// The way from the page to its files.
    const fn files(self) -> &'static str {
        match self {
            Self::Connect => "",
            Self::MyConnections => "../",
        }
    }
}

/// The pages beside the API.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/connect-ui", get(add_slash))
        .route("/connect-ui/", get(beside_api))
        .route("/connect-ui/{file}", get(file_beside_api))
        .route("/connect-ui/texts/{file}", get(texts))
        .route("/connect-ui/my-connections", get(add_slash))
        .route("/connect-ui/my-connections/", get(mine_beside_api))
}

/// The pages alone, for the second listener.
pub fn standalone(app: App) -> Router {
    Router::new()
        .route("/", get(alone))
        .route("/{file}", get(file_alone))
        .route("/texts/{file}", get(texts))
        .route("/my-connections", get(add_slash))
        .route("/my-connections/", get(mine_alone))
        .with_state(app)
}

/// Asset URLs are relative, so the pages need their slash.
async fn add_slash(uri: axum::http::Uri) -> Redirect {
    let name = uri.path().rsplit('/').next().unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}"));
    Redirect::temporary(&format!("{name}/{}", query.unwrap_or_default()))
}

async fn beside_api(State(app): State<App>, query: RawQuery) -> Response {
    page(&app, Document::Connect, "", &query).await
}

async fn mine_beside_api(State(app): State<App>, query: RawQuery) -> Response {
    page(&app, Document::MyConnections, "", &query).await
}

async fn alone(State(app): State<App>, query: RawQuery) -> Response {
    let api = &app.engine.settings.public_url;
    page(&app, Document::Connect, api, &query).await
}

async fn mine_alone(State(app): State<App>, query: RawQuery) -> Response {
    let api = &app.engine.settings.public_url;
    page(&app, Document::MyConnections, api, &query).await
}

async fn file_beside_api(state: State<App>, path: Path<String>, query: RawQuery) -> Response {
    if path.contains('.') {
        return file(&path, query);
    }
    beside_api(state, query).await
}

async fn file_alone(state: State<App>, path: Path<String>, query: RawQuery) -> Response {
    if path.contains('.') {
        return file(&path, query);
    }
    alone(state, query).await
}

async fn texts(
    State(app): State<App>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let versioned = assets::is_versioned(query.as_deref());
    app.connect.languages.serve(&name, versioned)
}

fn file(name: &str, RawQuery(query): RawQuery) -> Response {
    let versioned = assets::is_versioned(query.as_deref());
    match module::joined(name) {
        Some(text) => assets::script(text, versioned),
        None => assets::serve(&format!("connect/{name}"), versioned),
    }
}

/// A document. `api` is empty where the page finds the API by its own address.
async fn page(app: &App, document: Document, api: &str, query: &RawQuery) -> Response {
    let Some(text) = assets::text("connect/page.html") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (title, module, styles) = document.parts();
    let styles: Vec<String> = styles
        .iter()
        .map(|name| {
            format!(r#"<link rel="stylesheet" href="{{{{files}}}}{name}.css?v={{{{version}}}}">"#)
        })
        .collect();
    let framed_by = match framed_by(app, query).await {
        Ok(origins) => origins,
        Err(error) => return crate::ApiError::internal(&error).into_response(),
    };
    let escaped = |text: &str| maud::html! { (text) }.into_string();
    let html = text
        .replace("{{title}}", title)
        .replace("{{module}}", module)
        .replace("{{styles}}", &styles.join("\n"))
        .replace("{{files}}", document.files())
        .replace("{{api}}", &escaped(api))
        .replace("{{origins}}", &escaped(&origins(app).join(" ")))
        .replace("{{languages}}", &escaped(&app.connect.languages.names()))
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
        (
            header::CONTENT_SECURITY_POLICY,
            policy(app, framed_by.as_deref()),
        ),
    ];
    // No `X-Frame-Options`: applications show these pages in a frame.
    (headers, html).into_response()
}

/// Who may show the page in a frame. A shared link brings its session along, and with it the environment; an application
/// hands the token over later, so that its page is let through to wherever any environment is shown, and judges by itself.
async fn framed_by(
    app: &App,
    RawQuery(query): &RawQuery,
) -> Result<Option<Vec<String>>, StoreError> {
    let pairs = url::form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
    let mut tokens = pairs.filter(|(name, _)| name == "session_token");
    let session = match tokens.next() {
        Some((_, token)) => sessions::find(&app.engine, &token).await?,
        None => None,
    };
    match session {
        Some(session) => {
            let own = ConnectUi::of(&app.engine, session.environment).await?;
            Ok((!own.allowed_origins.is_empty()).then_some(own.allowed_origins))
        }
        None => frame_origins(&app.engine).await,
    }
}

/// The origins of our API: the public one, and what the operator adds.
fn origins(app: &App) -> Vec<String> {
    let urls = std::iter::once(&app.engine.settings.public_url).chain(&app.connect.api_urls);
    let parsed = urls.filter_map(|url| Url::parse(url).ok());
    parsed
        .map(|url| url.origin().ascii_serialization())
        .collect()
}

/// Nothing from elsewhere but the API and its sockets. The API may be reached under several names of this machine, and
/// an `apiURL` is judged by the page itself.
fn policy(app: &App, framed_by: Option<&[String]>) -> HeaderValue {
    let own = origins(app);
    let sockets = own.iter().map(|origin| origin.replacen("http", "ws", 1));
    let known = own
        .iter()
        .cloned()
        .chain(sockets)
        .collect::<Vec<_>>()
        .join(" ");
    let origins = own.join(" ");
    let port = Url::parse(&app.engine.settings.public_url)
        .ok()
        .and_then(|url| url.port())
        .map(|port| format!(" http://localhost:{port} ws://localhost:{port} http://127.0.0.1:{port} ws://127.0.0.1:{port}"))
        .unwrap_or_default();
    let framed_by = framed_by
        .map(|list| format!("; frame-ancestors 'self' {}", list.join(" ")))
        .unwrap_or_default();
    let text = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https: {origins}{port}; \
         connect-src 'self' {known}{port}; frame-src 'self'; base-uri 'none'; form-action 'none'{framed_by}"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{assets, languages::EMBEDDED, module};

    fn texts(language: &str) -> serde_json::Map<String, serde_json::Value> {
        let text = assets::text(&format!("connect/texts/{language}.json"))
            .expect("the language has a file");
        serde_json::from_str(&text).expect("it is a JSON object")
    }

    fn placeholders(text: &str) -> BTreeSet<String> {
        text.split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}').map(|(name, _)| name.to_owned()))
            .collect()
    }

    #[test]
    fn every_language_has_every_text_with_its_placeholders() {
        let english = texts("en");
        let keys = |map: &serde_json::Map<String, serde_json::Value>| -> BTreeSet<String> {
            map.keys().cloned().collect()
        };
        for language in EMBEDDED {
            let own = texts(language);
            assert_eq!(keys(&own), keys(&english), "{language}");
            let (titles, originals) = (&own["titles"], &english["titles"]);
            assert_eq!(
                keys(titles.as_object().expect("titles by their English words")),
                keys(originals.as_object().expect("an object")),
                "{language}"
            );
            for (key, text) in own.iter().filter(|(key, _)| *key != "titles") {
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
    fn every_text_that_the_modules_ask_for_exists_and_none_is_left_over() {
        let code: String = ["connect.js", "my-connections.js"]
            .iter()
            .map(|name| module::joined(name).expect("the page has a module"))
            .collect();
        let known: BTreeSet<String> = texts("en").keys().cloned().collect();
        for key in &known {
            let named = [format!("'{key}'"), format!("texts.{key}")]
                .iter()
                .any(|way| code.contains(way));
            let computed = [
                ("bad_", "`bad_${"),
                ("field_", "`field_${"),
                ("status_", "`status_${"),
            ]
            .iter()
            .any(|(start, way)| key.starts_with(start) && code.contains(way));
            assert!(named || computed, "`{key}` is used");
        }
        for part in code.split("text('").skip(1) {
            let key = part.split('\'').next().unwrap_or_default();
            assert!(known.contains(key), "`{key}` exists");
        }
    }

    #[test]
    fn the_files_stay_small() {
        let size = |name: &str| assets::text(name).expect("it exists").len();
        assert!(size("connect/page.html") <= 6_000);
        assert!(size("connect/connect.css") <= 8_192);
        // Brotli of what is sent is held to its bound by the tests in the browser.
        let sent = module::joined("connect.js").expect("the module").len();
        assert!(sent <= 40 * 1024, "{sent} bytes");
    }
}
