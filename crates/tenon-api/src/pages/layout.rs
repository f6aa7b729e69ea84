//! What all pages share: the document around the content, headers, pictures of states.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{access::Visitor, assets};

/// Nothing from elsewhere, no inline script (connect-ui-and-dashboard.md, C1).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("strict-origin"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// A page to show.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    pub(crate) visitor: Option<&'a Visitor>,
    /// Name of the page's own module.
    pub(crate) script: Option<&'a str>,
    pub(crate) content: Markup,
}

impl IntoResponse for Page<'_> {
    fn into_response(self) -> Response {
        let version = assets::version();
        let person = self
            .visitor
            .and_then(|visitor| Some((visitor, visitor.person.as_ref()?)));
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Tenon" }
                    link rel="icon" href={ "/ui/assets/icon.svg?v=" (version) };
                    link rel="stylesheet" href={ "/ui/assets/ui.css?v=" (version) };
                    @if let Some(script) = self.script {
                        script type="module" src={ "/ui/assets/" (script) "?v=" (version) } {}
                    }
                }
                body {
                    a.skip href="#main" { "Skip to content" }
                    header.top {
                        a.brand href="/ui/getting-started" { (brand()) "Tenon" }
                        @if let Some((visitor, person)) = person {
                            form method="post" action="/ui/logout" {
                                input type="hidden" name="csrf" value=(visitor.csrf);
                                span.meta { (person.email) }
                                button.quiet type="submit" { "Log out" }
                            }
                        }
                    }
                    main id="main" { (self.content) }
                }
            }
        };
        (HEADERS, Html(page.into_string())).into_response()
    }
}

/// A page that says no.
pub(crate) fn refusal(status: StatusCode, title: &str, advice: &str) -> Response {
    let content = html! { div.narrow { h1 { (title) } p { (advice) } } };
    let page = Page {
        title,
        visitor: None,
        script: None,
        content,
    };
    (status, page).into_response()
}

/// The mortise and the tenon.
fn brand() -> Markup {
    PreEscaped(
        r#"<svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><path d="M3 4h7v5h4v6h-4v5H3zM21 4v16h-5v-3M21 4h-5v3" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"/></svg>"#
            .to_owned(),
    )
}

/// A state: picture, word and colour, always together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Done,
    Next,
    Waiting,
    Failed,
}

impl Mark {
    /// The mark with its word.
    pub(crate) fn with(self, word: &str) -> Markup {
        let (class, path) = match self {
            Self::Done => ("ok", "M3 8.5 6.5 12 13 4.5"),
            Self::Next => ("run", "M8 2a6 6 0 1 1-6 6M8 5v3l2 2"),
            Self::Waiting => ("idle", "M8 2a6 6 0 1 0 .01 0"),
            Self::Failed => ("err", "M8 2 14 13H2zM8 6v3.5m0 1.7v.01"),
        };
        html! {
            span class={ "mark " (class) } {
                svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" { path d=(path) {} }
                (word)
            }
        }
    }
}

/// Code that one may want to copy.
pub(crate) fn code(caption: &str, text: &str) -> Markup {
    html! {
        figure.code {
            figcaption { (caption) button.quiet.copy type="button" hidden { "Copy" } }
            pre tabindex="0" { code { (text) } }
        }
    }
}
