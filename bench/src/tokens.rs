//! The token endpoint of the fake provider: refresh tokens that work once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use anyhow::Result;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::http::{Client, request};

/// Where tokens are asked for.
pub(crate) const PATH: &str = "/token";

/// Where the endpoint tells what it has seen.
pub(crate) const SEEN: &str = "/tokens";

/// Seconds that a new token lives.
const LIFE: u64 = 3_600;

/// What is known of refresh tokens. One is `<grant>.<how often it was renewed>`; whatever has no dot works always and is
/// not counted.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<State>);

#[derive(Default)]
struct State {
    /// How often each grant was renewed.
    grants: HashMap<String, u64>,
    /// Tokens that were used again.
    spent: u64,
}

/// What a token endpoint has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Grants that were renewed.
    pub(crate) grants: u64,
    /// Renewals of the grant that was renewed most.
    pub(crate) most: u64,
    /// Requests with a token that was used before.
    pub(crate) spent: u64,
}

impl Tokens {
    /// The answer to a form.
    pub(crate) fn answer(&self, form: &[u8]) -> (StatusCode, String) {
        let form = String::from_utf8_lossy(form);
        let given = form
            .split('&')
            .find_map(|pair| pair.strip_prefix("refresh_token="));
        let Some((grant, renewed)) = given.and_then(|token| token.rsplit_once('.')) else {
            return (StatusCode::OK, pair("bare", 0));
        };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let so_far = state.grants.entry(grant.to_owned()).or_default();
        if renewed.parse() == Ok(*so_far) {
            *so_far += 1;
            return (StatusCode::OK, pair(grant, *so_far));
        }
        state.spent += 1;
        let refused = json!({"error": "invalid_grant"}).to_string();
        (StatusCode::BAD_REQUEST, refused)
    }

    /// What [`seen`] reads, as JSON.
    pub(crate) fn seen(&self) -> String {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = state.grants.values().max().copied().unwrap_or(0);
        json!({"grants": state.grants.len(), "most": most, "spent": state.spent}).to_string()
    }
}

fn pair(grant: &str, renewed: u64) -> String {
    json!({
        "access_token": format!("{grant}-access-{renewed}"),
        "refresh_token": format!("{grant}.{renewed}"),
        "token_type": "bearer",
        "expires_in": LIFE,
    })
    .to_string()
}

/// Asks a token endpoint what it has seen.
pub(crate) async fn seen(address: &str) -> Result<Seen> {
    let mut client = Client::connect(address).await?;
    let answer = client.send(&request("GET", SEEN, &[], b"")).await?;
    let told: Value = serde_json::from_slice(&answer.body)?;
    let number = |key: &str| told[key].as_u64().unwrap_or(0);
    Ok(Seen {
        grants: number("grants"),
        most: number("most"),
        spent: number("spent"),
    })
}

#[cfg(test)]
mod tests {
    use super::{SEEN, Tokens};

    #[test]
    fn a_refresh_token_works_once() {
        let tokens = Tokens::default();
        let ask = |token: &str| {
            let form = format!("grant_type=refresh_token&refresh_token={token}&client_id=c");
            tokens.answer(form.as_bytes()).0.as_u16()
        };
        assert_eq!((ask("a.0"), ask("a.1"), ask("b.0")), (200, 200, 200));
        assert_eq!((ask("a.1"), ask("bare")), (400, 200));
        assert_eq!(
            tokens.seen(),
            r#"{"grants":2,"most":2,"spent":1}"#,
            "{SEEN}"
        );
    }
}
