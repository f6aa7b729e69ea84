//! Who asks: a browser with a person in front of it, or a program.

use axum::http::{HeaderMap, header};

/// Whether a browser asks for a page. Browsers cannot hide it: they always say what they accept and who they are.
pub(super) fn is_browser(headers: &HeaderMap) -> bool {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    };
    text("accept").contains("text/html")
        || text("user-agent").contains("Mozilla/")
        || !text("sec-fetch-mode").is_empty()
}

/// Names of the cookies that came along.
pub(super) fn cookie_names(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{cookie_names, is_browser};

    #[test]
    fn programs_and_browsers_are_told_apart() {
        let with = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            is_browser(&headers)
        };
        assert!(with("accept", "text/html,application/xhtml+xml"));
        assert!(with("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"));
        assert!(with("sec-fetch-mode", "navigate"));
        assert!(!with("accept", "*/*"));
        assert!(!is_browser(&HeaderMap::new()));
    }

    #[test]
    fn cookies_are_known_by_name() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("oauth2-a=1; theme=dark"),
        );
        headers.append(header::COOKIE, HeaderValue::from_static("oauth2-b=1"));
        assert_eq!(cookie_names(&headers), ["oauth2-a", "theme", "oauth2-b"]);
    }
}
