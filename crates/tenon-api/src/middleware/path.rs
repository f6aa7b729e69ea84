//! Paths as clients write them: a trailing slash and another case of the first word mean the same.

use axum::{
    extract::Request,
    http::uri::{PathAndQuery, Uri},
};

/// Brings the path of a request into the form that routes are written in. What follows `/proxy` belongs to the
/// provider and stays as it is.
pub(crate) fn normalize(mut request: Request) -> Request {
    if let Some(path) = normal(request.uri().path()) {
        let text = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        if let Ok(path_and_query) = PathAndQuery::try_from(text) {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(path_and_query);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
    }
    request
}

/// The normal form, if it differs.
fn normal(path: &str) -> Option<String> {
    let word_end = path.get(1..)?.find('/').map_or(path.len(), |at| at + 1);
    let word = &path[..word_end];
    let lower = word.to_ascii_lowercase();
    let rest = if lower == "/proxy" {
        &path[word_end..]
    } else {
        path[word_end..].trim_end_matches('/')
    };
    if lower == word && rest.len() == path.len() - word_end {
        return None;
    }
    Some(format!("{lower}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn only_slashes_at_the_end_and_the_first_word_change() {
        let cases = [
            ("/", None),
            ("/records", None),
            ("/records/", Some("/records")),
            ("/Integrations", Some("/integrations")),
            ("/Connections/MyId/", Some("/connections/MyId")),
            ("/proxy/Items/", None),
            ("/Proxy/Items/", Some("/proxy/Items/")),
            ("/connections/MyId", None),
        ];
        for (path, expected) in cases {
            assert_eq!(normal(path).as_deref(), expected, "{path}");
        }
    }
}
