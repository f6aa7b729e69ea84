//! The `Authorization` header.

use axum::http::{HeaderMap, StatusCode, header};

use crate::{ApiError, ErrorCode};

/// Prefix of connect session tokens.
pub(crate) const SESSION_PREFIX: &str = "nango_connect_session_";

/// Prefix of sandbox tokens, which no key of ours is.
pub(crate) const SANDBOX_PREFIX: &str = "nango_sbx_v1_";

/// The credential in the header: what follows the last `Bearer `, or the whole text.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, ApiError> {
    let header = headers.get(header::AUTHORIZATION).ok_or_else(|| {
        unauthorized(
            ErrorCode::MissingAuthHeader,
            "the `Authorization` header is missing",
        )
    })?;
    let text = header.to_str().map_err(|_| {
        unauthorized(
            ErrorCode::MalformedAuthHeader,
            "the `Authorization` header is not plain text",
        )
    })?;
    Ok(text.rsplit("Bearer ").next().unwrap_or(text).trim())
}

/// Whether a text has the form of a secret key: a UUID of version 4, or one of the recognisable ones.
pub(crate) fn is_key(text: &str) -> bool {
    if text.starts_with(tenon_core::api_key::PREFIX) {
        return tenon_core::api_key::is_one(text);
    }
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether a text has the form of a connect session token.
pub(crate) fn is_session_token(text: &str) -> bool {
    text.strip_prefix(SESSION_PREFIX).is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// 401 in the form that all authentication failures have.
pub(crate) fn unauthorized(code: ErrorCode, message: &str) -> ApiError {
    ApiError::old(StatusCode::UNAUTHORIZED, code, message)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, header};

    use super::{is_key, is_session_token, token};

    #[test]
    fn the_text_behind_the_last_prefix_counts() {
        let cases = [
            ("Bearer abc", "abc"),
            ("Bearer Bearer abc", "abc"),
            ("abc", "abc"),
            ("bearer abc", "bearer abc"),
            ("Bearer ", ""),
        ];
        for (header_text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, header_text.parse().unwrap());
            assert_eq!(token(&headers).unwrap(), expected, "{header_text}");
        }
        assert!(token(&HeaderMap::new()).is_err());
    }

    #[test]
    fn forms_are_told_apart() {
        assert!(is_key("00000000-0000-4000-8000-000000000000"));
        assert!(is_key("ABCDEF00-0000-4000-B000-000000000000"));
        assert!(!is_key("00000000-0000-1000-8000-000000000000"));
        assert!(!is_key("nope"));
        assert!(is_session_token(&format!(
            "nango_connect_session_{}",
            "0a".repeat(32)
        )));
        assert!(!is_session_token(&format!(
            "nango_connect_session_{}",
            "0A".repeat(32)
        )));
    }
}
