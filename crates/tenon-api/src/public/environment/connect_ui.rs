//! How the Connect UI of the environment looks and behaves (docs/reference/connect-ui.md).

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::Value;
use tenon_engine::environments::{ConnectUi, ConnectUiPatch, Theme};

use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
    validate::{Field, Object, is_web_url},
};

/// Longest address of a page.
const MAX_URL_CHARS: usize = 2_048;

/// Longest logo: every form carries it.
const MAX_LOGO_BYTES: usize = 48 * 1024;

/// Largest corners, in pixels: a button is 40 high.
const MAX_RADIUS: i64 = 20;

/// Most origins that may show the page.
const MAX_ORIGINS: usize = 50;

/// Most languages with texts of their own, most texts of each, and the longest.
const MAX_LANGUAGES: usize = 30;
const MAX_TEXTS: usize = 200;
const MAX_TEXT_CHARS: usize = 500;

/// Kinds of pictures that a logo may be.
const PICTURES: &[&str] = &["png", "jpeg", "webp", "gif", "svg+xml"];

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    data: ConnectUi,
}

/// `GET /environment/connect-ui`
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller<scope::ReadEnvironment>,
    query: Query,
) -> Result<Json<Body>, ApiError> {
    query.none()?;
    let data = ConnectUi::of(&app.engine, caller.environment).await?;
    Ok(Json(Body { data }))
}

/// `PATCH /environment/connect-ui`: what is not given stays, null goes back to the start.
pub(super) async fn patch(
    State(app): State<App>,
    caller: Caller<scope::WriteEnvironment>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Body>, ApiError> {
    query.none()?;
    let patch = checked(&body)?;
    let data = ConnectUi::patch(&app.engine, caller.environment, patch).await?;
    Ok(Json(Body { data }))
}

fn checked(body: &JsonBody) -> Result<ConnectUiPatch, ApiError> {
    let input = body.input();
    let object = input.object();
    let (light, dark) = colours(object.optional("theme"));
    let patch = ConnectUiPatch {
        show_watermark: object.optional("showWatermark").flag(),
        default_theme: object
            .optional("defaultTheme")
            .one_of(&["light", "dark", "system"])
            .map(Theme::parse),
        light,
        dark,
        application: nullable(&object, "application", |field| {
            field.text().min(1).max(80).take()
        }),
        logo: nullable(&object, "logo", |field| {
            field.text().matches(is_logo, LOGO_RULE).take()
        }),
        corner_radius: nullable(&object, "cornerRadius", |field| {
            let radius = field.integer(0, MAX_RADIUS).unwrap_or(0);
            u8::try_from(radius).unwrap_or(0)
        }),
        font: nullable(&object, "font", |field| {
            field.text().max(200).matches(is_font, FONT_RULE).take()
        }),
        support_url: nullable(&object, "supportUrl", |field| {
            let text = field.text().max(MAX_URL_CHARS);
            text.matches(is_help, "be a web or mailto address").take()
        }),
        privacy_url: nullable(&object, "privacyUrl", |field| {
            let text = field.text().max(MAX_URL_CHARS);
            text.matches(is_web_url, "be a web address").take()
        }),
        texts: texts(object.optional("texts")),
        allowed_origins: object
            .optional("allowedOrigins")
            .items(MAX_ORIGINS)
            .map(|items| items.texts(|text| text.matches(is_origin, ORIGIN_RULE))),
        ask_settings: object.optional("askSettings").flag(),
    };
    object.strict();
    drop(object);
    input.finish()?;
    Ok(patch)
}

/// `Some(None)` for null.
fn nullable<T>(
    object: &Object<'_>,
    name: &'static str,
    read: impl FnOnce(Field<'_>) -> T,
) -> Option<Option<T>> {
    let field = object.optional(name);
    match field.raw() {
        None => None,
        Some(Value::Null) => Some(None),
        Some(_) => Some(Some(read(field))),
    }
}

fn colours(theme: Field<'_>) -> (Option<String>, Option<String>) {
    let Some(theme) = theme.object() else {
        return (None, None);
    };
    let colour = |name: &'static str| {
        let palette = theme.optional(name).object()?;
        let primary = palette.optional("primary").text();
        let colour = primary.matches(is_colour, "be a colour as #rrggbb").get();
        palette.strict();
        colour
    };
    let both = (colour("light"), colour("dark"));
    theme.strict();
    both
}

fn texts(field: Field<'_>) -> Option<BTreeMap<String, BTreeMap<String, String>>> {
    let whole = field.clone();
    let languages = field.object()?;
    let mut all = BTreeMap::new();
    for (language, texts) in languages.entries() {
        if !is_language(language) {
            whole.issue_within("invalid_key", language, "this is no language tag");
        }
        let Some(texts) = texts.object() else {
            continue;
        };
        let own: BTreeMap<String, String> = texts
            .entries()
            .map(|(key, text)| (key.to_owned(), text.text().max(MAX_TEXT_CHARS).take()))
            .collect();
        if own.len() > MAX_TEXTS {
            whole.issue(
                "too_big",
                format!("at most {MAX_TEXTS} texts of a language"),
            );
        }
        all.insert(language.to_owned(), own);
    }
    if all.len() > MAX_LANGUAGES {
        whole.issue("too_big", format!("at most {MAX_LANGUAGES} languages"));
    }
    Some(all)
}

fn is_colour(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn is_language(text: &str) -> bool {
    (2..=20).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

const LOGO_RULE: &str =
    "be a web address, or a picture of at most 48 KB as `data:image/…;base64,…`";

fn is_logo(text: &str) -> bool {
    let Some(data) = text.strip_prefix("data:image/") else {
        return text.len() <= MAX_URL_CHARS && text.starts_with("https://") && is_web_url(text);
    };
    let picture = data.split_once(";base64,");
    text.len() <= MAX_LOGO_BYTES
        && picture.is_some_and(|(kind, content)| {
            let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
            PICTURES.contains(&kind) && content.bytes().all(is_base64)
        })
}

const FONT_RULE: &str =
    "be a list of font names: letters, digits, spaces, commas, hyphens and quotes";

/// Nothing that could end the declaration or fetch something.
fn is_font(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || " ,-'\"".contains(c);
    !text.is_empty() && text.chars().all(allowed)
}

fn is_help(text: &str) -> bool {
    is_web_url(text) || (text.starts_with("mailto:") && text.contains('@'))
}

const ORIGIN_RULE: &str = "be an origin: `https://app.example.com`, `https://*.example.com`";

/// Scheme, host, port: what `frame-ancestors` takes, and nothing that could end the header's list.
fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let Some(host) = host else { return false };
    let host = host.strip_prefix("*.").unwrap_or(host);
    let (name, port) = host.split_once(':').unwrap_or((host, "443"));
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    !name.is_empty()
        && text.len() <= 300
        && name.chars().all(named)
        && !name.starts_with('.')
        && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::{is_font, is_logo, is_origin};

    #[test]
    fn origins_have_no_path_and_nothing_else() {
        for fine in [
            "https://a.example",
            "http://localhost:5173",
            "https://*.a.example",
        ] {
            assert!(is_origin(fine), "{fine}");
        }
        for wrong in [
            "*",
            "a.example",
            "https://a.example/",
            "https://a.example/x",
            "https://a b",
            "https://",
            "https://*",
            "https://a;b",
            "https://a:99999",
            "ftp://a",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }

    #[test]
    fn logos_are_pictures() {
        assert!(is_logo("data:image/png;base64,AAAA"));
        assert!(is_logo("https://a.example/logo.svg"));
        for wrong in [
            "http://a.example/logo.svg",
            "data:text/html;base64,AAAA",
            "data:image/png,AAAA",
            "javascript:alert(1)",
            "data:image/png;base64,<script>",
        ] {
            assert!(!is_logo(wrong), "{wrong}");
        }
        assert!(!is_logo(&format!(
            "data:image/png;base64,{}",
            "A".repeat(60_000)
        )));
    }

    #[test]
    fn fonts_are_names() {
        assert!(is_font("\"Inter\", 'Noto Sans', sans-serif"));
        assert!(!is_font("x; background: url(https://a.example)"));
        assert!(!is_font(""));
    }
}
