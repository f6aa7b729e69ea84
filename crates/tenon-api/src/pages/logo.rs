//! Logos of providers: the first letters on a colour of their own.
//!
//! Brand marks belong to their owners; an application that wants them shows its own list.

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/images/template-logos/{file}", get(logo))
}

async fn logo(State(app): State<App>, Path(file): Path<String>) -> Response {
    let provider = file
        .strip_suffix(".svg")
        .and_then(|name| app.engine.catalogue.find(name));
    let Some(provider) = provider else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("image/svg+xml"),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=86400"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (headers, svg(&provider.name, &provider.display_name)).into_response()
}

/// White on a middle tone reaches 4.5:1 at every hue with this lightness and chroma.
fn svg(name: &str, display_name: &str) -> String {
    let hue = name.bytes().fold(7_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    }) % 360;
    let letters = monogram(display_name);
    let size = if letters.chars().count() > 1 { 20 } else { 26 };
    maud::html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48" width="48" height="48" {
            rect width="48" height="48" rx="6" fill=(format!("hsl({hue} 42% 34%)")) {}
            text x="24" y="24" dy=".36em" text-anchor="middle" fill="#fff" font-size=(size) font-weight="600"
                font-family="ui-sans-serif, system-ui, 'Segoe UI', Roboto, sans-serif" { (letters) }
        }
    }
    .into_string()
}

/// `Google Calendar` → `GC`, `Zendesk` → `Z`.
fn monogram(display_name: &str) -> String {
    let letters: String = display_name
        .split(|c: char| !c.is_alphanumeric())
        .filter_map(|word| word.chars().next())
        .take(2)
        .flat_map(char::to_uppercase)
        .collect();
    if letters.is_empty() {
        "?".to_owned()
    } else {
        letters
    }
}

#[cfg(test)]
mod tests {
    use super::{monogram, svg};

    #[test]
    fn names_become_letters() {
        let cases = [
            ("Google Calendar", "GC"),
            ("Zendesk", "Z"),
            ("GitHub (User OAuth)", "GU"),
            ("", "?"),
        ];
        for (name, letters) in cases {
            assert_eq!(monogram(name), letters);
        }
        assert!(
            svg("x", "<b> & co").contains("BC"),
            "no markup of a name gets through"
        );
    }
}
