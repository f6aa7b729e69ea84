//! Files that are part of the binary.

use std::sync::LazyLock;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "assets"]
struct Assets;

/// Names this build's files: part of every asset URL, so that browsers may keep them for ever.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut mixed = [0_u8; 8];
    for name in Assets::iter() {
        let hash = Assets::get(&name).map(|file| file.metadata.sha256_hash());
        let bytes = hash.iter().flatten().chain(name.as_bytes());
        for (index, byte) in bytes.enumerate() {
            mixed[index % 8] = mixed[index % 8].rotate_left(3) ^ byte;
        }
    }
    hex::encode(mixed)
});

/// What to put behind `?v=`.
pub(crate) fn version() -> &'static str {
    &VERSION
}

/// The text of a file that must exist.
pub(crate) fn text(path: &str) -> Option<String> {
    let file = Assets::get(path)?;
    String::from_utf8(file.data.into_owned()).ok()
}

/// A file as an answer. `versioned` = the URL names this build, so that the answer never changes.
pub(crate) fn serve(path: &str, versioned: bool) -> Response {
    let Some(file) = Assets::get(path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("html") => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    };
    answer(kind, versioned, file.data.into_owned())
}

/// A module that is no file of ours, or not one alone.
pub(crate) fn script(text: &'static str, versioned: bool) -> Response {
    answer(
        "text/javascript; charset=utf-8",
        versioned,
        text.as_bytes().to_vec(),
    )
}

/// JSON that was put together at run time.
pub(crate) fn json(text: &str, versioned: bool) -> Response {
    let kind = "application/json; charset=utf-8";
    answer(kind, versioned, text.as_bytes().to_vec())
}

fn answer(kind: &'static str, versioned: bool, content: Vec<u8>) -> Response {
    let keep = if versioned {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(keep)),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (headers, content).into_response()
}

/// Whether a query names this build.
pub(crate) fn is_versioned(query: Option<&str>) -> bool {
    query.is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair.strip_prefix("v=") == Some(version()))
    })
}
