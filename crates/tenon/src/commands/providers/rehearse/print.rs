//! Requests as people can read and repeat them.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{samples::Samples, stage::Heard};
use crate::ui;

/// Prints one request like a call of curl.
pub(super) fn request(heard: &Heard, samples: &Samples) {
    let told = heard.answered.map(|status| format!(": answered {status}"));
    ui::say(format!("# {}{}", heard.purpose, told.unwrap_or_default()));
    let mut lines = vec![format!(
        "curl -X {} {}",
        heard.method,
        quoted(&samples.masked(&heard.url))
    )];
    for (name, value) in &heard.headers {
        let value = samples.masked(&readable(value));
        lines.push(format!("  -H {}", quoted(&format!("{name}: {value}"))));
    }
    if !heard.body.is_empty() {
        lines.push(format!("  -d {}", quoted(&samples.masked(&heard.body))));
    }
    ui::say(format!("{}\n", lines.join(" \\\n")));
}

/// `Basic` credentials as what they are made of.
fn readable(value: &str) -> String {
    let pair = value
        .strip_prefix("Basic ")
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    pair.map_or_else(|| value.to_owned(), |pair| format!("Basic base64({pair})"))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
