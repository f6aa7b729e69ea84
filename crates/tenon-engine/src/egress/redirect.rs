//! Where a redirect leads, and what may go along.

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::{AcrossOrigins, EgressError, Refused, headers::keep_harmless};

/// The target of a redirect, if the answer is one.
pub(super) fn target(
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Url>, EgressError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(header::LOCATION) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(location.as_bytes()).into_owned();
    let mut to = from
        .join(&text)
        .map_err(|_| EgressError::InvalidRedirect(text.clone()))?;
    // Credentials in a target are not ours to send.
    let _ = to.set_username("");
    let _ = to.set_password(None);
    Ok(Some(to))
}

/// Refuses to leave TLS.
pub(super) fn check(from: &Url, to: &Url) -> Result<(), Refused> {
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(Refused::Downgrade(
            to.host_str().unwrap_or_default().to_owned(),
        ));
    }
    Ok(())
}

/// The method of the next hop, and whether the body goes along: 303 and a POST that was moved become GET (Fetch
/// standard, HTTP-redirect fetch).
pub(super) fn next_method(status: StatusCode, method: &Method) -> (Method, bool) {
    let becomes_get = match status.as_u16() {
        303 => method != Method::HEAD && method != Method::GET,
        301 | 302 => method == Method::POST,
        _ => false,
    };
    if becomes_get {
        (Method::GET, false)
    } else {
        (method.clone(), true)
    }
}

/// Takes out what the next hop must not see.
pub(super) fn next_headers(
    headers: &mut HeaderMap,
    from: &Url,
    to: &Url,
    across: AcrossOrigins,
    body_kept: bool,
) {
    if !body_kept {
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::CONTENT_LANGUAGE,
            header::CONTENT_LOCATION,
        ] {
            headers.remove(name);
        }
    }
    if across == AcrossOrigins::DropCredentials && !same_place(from, to) {
        keep_harmless(headers);
    }
}

/// Same origin, or the same host moved from http to https on the default ports.
fn same_place(from: &Url, to: &Url) -> bool {
    let upgraded = from.scheme() == "http"
        && to.scheme() == "https"
        && from.port().is_none()
        && to.port().is_none()
        && from.host() == to.host();
    upgraded || from.origin() == to.origin()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
    use url::Url;

    use super::{AcrossOrigins, check, next_headers, next_method, target};

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn only_moved_posts_and_see_other_become_get() {
        let cases = [
            (301, "POST", "GET", false),
            (302, "POST", "GET", false),
            (303, "PUT", "GET", false),
            (303, "HEAD", "HEAD", true),
            (302, "PUT", "PUT", true),
            (307, "POST", "POST", true),
            (308, "POST", "POST", true),
        ];
        for (status, before, after, body) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let before: Method = before.parse().unwrap();
            let after: Method = after.parse().unwrap();
            assert_eq!(next_method(status, &before), (after, body), "{status}");
        }
    }

    #[test]
    fn authorization_stays_at_its_origin() {
        let cases = [
            ("https://a.test/x", "https://a.test/y", true),
            ("http://a.test/x", "https://a.test/y", true),
            ("https://a.test/x", "https://b.test/y", false),
            ("https://a.test/x", "https://a.test:8443/y", false),
            ("https://a.test/x", "https://sub.a.test/y", false),
            ("http://127.0.0.1:1/x", "http://localhost:1/y", false),
        ];
        for (from, to, kept) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer t"));
            next_headers(
                &mut headers,
                &url(from),
                &url(to),
                AcrossOrigins::DropCredentials,
                true,
            );
            assert_eq!(
                headers.contains_key(header::AUTHORIZATION),
                kept,
                "{from} to {to}"
            );
        }
    }

    #[test]
    fn tls_is_not_left() {
        assert!(check(&url("https://a.test/"), &url("http://a.test/")).is_err());
        assert!(check(&url("http://a.test/"), &url("https://a.test/")).is_ok());
    }

    #[test]
    fn targets_lose_their_credentials() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::LOCATION,
            HeaderValue::from_static("//user:pass@b.test/y"),
        );
        let to = target(&url("https://a.test/x"), StatusCode::FOUND, &headers).unwrap();
        assert_eq!(to.unwrap().as_str(), "https://b.test/y");
    }
}
