//! Who may see a page, and whether a form comes from one.

use axum::{
    Form,
    extract::{ConnectInfo, FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::net::SocketAddr;
use tenon_core::Secret;
use tenon_engine::people::{self, Person};

use super::{Access, layout};
use crate::{ApiError, App};

/// Name of the session cookie (connect-ui-and-dashboard.md, C1).
const COOKIE: &str = "tenon_session";

/// Somebody who may see the pages.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// Nobody where the pages are open.
    pub(crate) person: Option<Person>,
    /// Goes into every form that changes something.
    pub(crate) csrf: String,
    /// Token of the session, for logging out.
    pub(crate) session: Option<Secret>,
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match app.pages.access {
            Access::OpenOnLoopback { port } => {
                let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
                let near = peer.is_none_or(|peer| peer.0.ip().is_loopback());
                if !near || !is_own_host(&parts.headers, port) {
                    return Err(layout::refusal(
                        StatusCode::FORBIDDEN,
                        "This page is open on its own machine only",
                        "Open it as http://localhost with the port that the server printed. `tenon serve` asks for a login instead.",
                    ));
                }
                Ok(Self {
                    person: None,
                    csrf: csrf(app, b"open on loopback"),
                    session: None,
                })
            }
            Access::Login => match logged_in(app, &parts.headers).await? {
                Some((token, person)) => Ok(Self {
                    csrf: csrf(app, token.expose().as_bytes()),
                    person: Some(person),
                    session: Some(token),
                }),
                None => Err(Redirect::to("/ui/login").into_response()),
            },
        }
    }
}

/// A form that changes something: from somebody who may, sent by one of our own pages.
pub(crate) struct Change<T> {
    pub(crate) visitor: Visitor,
    pub(crate) form: T,
}

impl<T: DeserializeOwned> FromRequest<App> for Change<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        #[derive(Deserialize)]
        struct Sent<T> {
            #[serde(default)]
            csrf: String,
            #[serde(flatten)]
            form: T,
        }
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let own = comes_from_here(&parts.headers);
        let Form(sent) = Form::<Sent<T>>::from_request(Request::from_parts(parts, body), app)
            .await
            .map_err(IntoResponse::into_response)?;
        if !own || !same(&sent.csrf, &visitor.csrf) {
            return Err(layout::refusal(
                StatusCode::FORBIDDEN,
                "This form is too old, or was not sent from here",
                "Go back, load the page again and send it once more. Nothing was changed.",
            ));
        }
        Ok(Self {
            visitor,
            form: sent.form,
        })
    }
}

/// Whether a request was sent from the address that it goes to, as far as its headers tell.
pub(crate) fn comes_from_here(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, origin_host)| origin_host.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
    }
}

/// The header that begins a session in a browser.
pub(crate) fn session_cookie(app: &App, token: &Secret) -> String {
    let secure = if app.engine.settings.public_url.starts_with("https:") {
        "; Secure"
    } else {
        ""
    };
    let seconds = people::SESSION.as_secs();
    format!(
        "{COOKIE}={}; Path=/ui; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
        token.expose()
    )
}

/// The header that ends it.
pub(crate) fn no_session_cookie() -> String {
    format!("{COOKIE}=; Path=/ui; Max-Age=0; HttpOnly; SameSite=Lax")
}

/// Who is logged in.
async fn logged_in(app: &App, headers: &HeaderMap) -> Result<Option<(Secret, Person)>, Response> {
    let Some(token) = cookie(headers) else {
        return Ok(None);
    };
    let person = people::of_session(&app.engine, token.expose())
        .await
        .map_err(|problem| ApiError::internal(&problem).into_response())?;
    Ok(person.map(|person| (token, person)))
}

fn cookie(headers: &HeaderMap) -> Option<Secret> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE && !value.is_empty()).then(|| Secret::new(value.to_owned()))
        })
}

fn csrf(app: &App, of: &[u8]) -> String {
    hex::encode(app.engine.store.index_hash("csrf", of))
}

/// Compares without telling by time where texts differ.
fn same(given: &str, expected: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes()).is_ok()
}

/// A name of this machine, so that a foreign name which resolves to it (DNS rebinding) is refused.
fn is_own_host(headers: &HeaderMap, port: u16) -> bool {
    let own = ["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}"));
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    host.is_some_and(|host| own.iter().any(|own| own.eq_ignore_ascii_case(host)))
        && comes_from_here(headers)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::{comes_from_here, cookie, is_own_host};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header"));
        }
        headers
    }

    #[test]
    fn open_pages_are_for_this_machine() {
        let cases = [
            (vec![("host", "localhost:3003")], true),
            (vec![("host", "127.0.0.1:3003")], true),
            (vec![("host", "[::1]:3003")], true),
            (
                vec![
                    ("host", "localhost:3003"),
                    ("origin", "http://localhost:3003"),
                ],
                true,
            ),
            (
                vec![
                    ("host", "localhost:3003"),
                    ("origin", "https://evil.example"),
                ],
                false,
            ),
            (vec![("host", "localhost:3003"), ("origin", "null")], false),
            (vec![("host", "localhost:4000")], false),
            (vec![("host", "evil.example:3003")], false),
            (vec![], false),
        ];
        for (pairs, open) in cases {
            assert_eq!(is_own_host(&headers(&pairs), 3003), open, "{pairs:?}");
        }
    }

    #[test]
    fn an_origin_must_be_the_host() {
        assert!(comes_from_here(&headers(&[("host", "a.example")])));
        assert!(comes_from_here(&headers(&[
            ("host", "a.example"),
            ("origin", "https://a.example")
        ])));
        assert!(!comes_from_here(&headers(&[
            ("host", "a.example"),
            ("origin", "https://b.example")
        ])));
    }

    #[test]
    fn the_session_is_found_among_cookies() {
        let found =
            |text| cookie(&headers(&[("cookie", text)])).map(tenon_core::Secret::into_exposed);
        assert_eq!(found("a=b; tenon_session=t; c=d").as_deref(), Some("t"));
        assert_eq!(found("tenon_session="), None);
        assert_eq!(found("x_tenon_session=t"), None);
    }
}
