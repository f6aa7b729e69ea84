//! Headers that belong to one connection, and headers that may cross origins.

use http::{HeaderMap, HeaderName, header};
use tenon_core::limits;

use super::EgressError;

/// Headers that describe a connection, not a message (RFC 9110, 7.6.1).
const HOP_BY_HOP: &[HeaderName] = &[
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The same, without names of their own.
const HOP_BY_HOP_TEXT: &[&str] = &["keep-alive", "proxy-connection"];

/// What tells nothing secret and may follow a redirect to another origin.
const HARMLESS: &[HeaderName] = &[
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    header::USER_AGENT,
];

/// Makes request headers safe to send: framing, host and connection belong to the client.
pub(super) fn clean_request(headers: &mut HeaderMap) -> Result<(), EgressError> {
    remove_hop_by_hop(headers);
    for name in [header::CONTENT_LENGTH, header::HOST, header::EXPECT] {
        headers.remove(name);
    }
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if headers.len() > limits::HTTP_HEADERS || bytes > limits::HTTP_HEAD_BYTES {
        return Err(EgressError::HeadersTooLarge {
            limit: limits::HTTP_HEADERS,
            bytes: limits::HTTP_HEAD_BYTES,
        });
    }
    Ok(())
}

/// Makes response headers safe to pass on. Returns whether the body came in chunks.
pub(super) fn clean_response(headers: &mut HeaderMap) -> bool {
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    if chunked {
        // Both at once: chunks decide (RFC 9112, 6.3), the length is a lie or an attack.
        headers.remove(header::CONTENT_LENGTH);
    }
    remove_hop_by_hop(headers);
    chunked
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    for name in HOP_BY_HOP_TEXT {
        headers.remove(*name);
    }
}

/// Keeps only what may be told to another origin.
pub(super) fn keep_harmless(headers: &mut HeaderMap) {
    let secret: Vec<HeaderName> = headers
        .keys()
        .filter(|name| !HARMLESS.contains(name))
        .cloned()
        .collect();
    for name in secret {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{clean_request, clean_response, keep_harmless};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn a_length_beside_chunks_is_dropped() {
        let mut answer = headers(&[
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("etag", "e"),
        ]);
        assert!(clean_response(&mut answer));
        assert_eq!(answer, headers(&[("etag", "e")]));
    }

    #[test]
    fn callers_do_not_frame_messages() {
        let mut asked = headers(&[
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("host", "other.test"),
            ("x-a", "1"),
        ]);
        clean_request(&mut asked).unwrap();
        assert_eq!(asked, headers(&[("x-a", "1")]));
    }

    #[test]
    fn too_many_headers_are_refused() {
        let mut asked = HeaderMap::new();
        for number in 0..300 {
            let name: http::HeaderName = format!("x-{number}").parse().unwrap();
            asked.append(name, HeaderValue::from_static("v"));
        }
        assert!(clean_request(&mut asked).is_err());
    }

    #[test]
    fn other_origins_see_no_credentials() {
        let mut asked = headers(&[
            ("authorization", "Bearer t"),
            ("cookie", "a=b"),
            ("x-api-key", "k"),
            ("accept", "*/*"),
        ]);
        keep_harmless(&mut asked);
        assert_eq!(asked, headers(&[("accept", "*/*")]));
    }
}
