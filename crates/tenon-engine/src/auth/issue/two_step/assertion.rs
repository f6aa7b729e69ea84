//! Assertions that go into a token request: signed by us, with keys that may be given only once.

use std::time::Duration;

use serde_json::{Map, Value};
use tenon_core::Timestamp;
use tenon_providers::{Assertion, AssertionType, Provider};

use crate::auth::{
    issue::{Vars, jwt, text},
    request::TokenFailure,
    sign,
};

/// An assertion is made again when it has less than this left.
const MARGIN: Duration = Duration::from_secs(60);

/// The stored assertion while it lasts, else a new one; `None` where the provider wants none.
pub(super) fn current(
    provider: &Provider,
    fields: &Map<String, Value>,
    vars: &Vars,
) -> Result<Option<String>, TokenFailure> {
    let Some(declared) = &provider.assertion else {
        return Ok(None);
    };
    if let Some(stored) = text(fields, "assertion") {
        let ends = sign::jwt::expiry(stored).map(Timestamp::from_secs);
        if ends.is_some_and(|ends| ends > vars.now.plus(MARGIN)) {
            return Ok(Some(stored.to_owned()));
        }
    }
    match declared.kind {
        AssertionType::Jwt => signed(declared, vars).map(Some),
        AssertionType::Saml => Err(TokenFailure::ours(
            "unsupported_assertion",
            "SAML assertions are not supported",
        )),
    }
}

fn signed(declared: &Assertion, vars: &Vars) -> Result<String, TokenFailure> {
    let unusable = |reason: String| TokenFailure::ours("assertion", reason);
    let key = vars.fill_text(&declared.key).ok_or_else(|| {
        unusable("the key of the assertion is missing; it has to be given again".to_owned())
    })?;
    let expires_at = vars
        .now
        .plus(Duration::from_secs(declared.lifetime_seconds()));
    let payload = jwt::payload(&vars.fill(&declared.payload), vars.now, expires_at);
    sign::jwt::sign(&vars.fill(&declared.header), &payload, key.as_bytes())
        .map_err(|error| unusable(error.to_string()))
}
