//! Command lines that are too old to deploy are told so (auth-and-proxy.md, 1.1).

use axum::http::{HeaderMap, header};

use crate::{ApiError, ErrorCode};

/// The oldest command line whose deploys we understand.
const OLDEST: [u64; 3] = [0, 39, 25];

/// 400 for a `nango-cli/<version>` below the oldest. Other clients are let through.
pub(super) fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match version(agent) {
        Some(version) if version < OLDEST => Err(ApiError::bad_request(
            ErrorCode::InvalidCliVersion,
            "this version of the command line is too old to deploy; please install a newer one",
        )),
        _ => Ok(()),
    }
}

fn version(agent: &str) -> Option<[u64; 3]> {
    let (_, rest) = agent.split_once("nango-cli/")?;
    let text = rest.split([' ', '-', '+']).next()?;
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, version};

    #[test]
    fn versions_are_compared_as_numbers() {
        let old = |agent| version(agent).is_some_and(|version| version < OLDEST);
        assert!(old("nango-cli/0.30.0 (linux; node.js/20)"));
        assert!(old("nango-cli/0.39.24"));
        assert!(!old("nango-cli/0.39.25"));
        assert!(!old("nango-cli/0.71.10 (linux/6; node.js/22.22.2)"));
        assert!(!old("nango-cli/1.0.0-beta.1"));
        assert!(!old("nango-cli/x"));
        assert!(!old("curl/8"));
    }
}
