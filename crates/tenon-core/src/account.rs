//! Which account was connected, in words that its owner knows.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::auth::CredentialsJson;

/// Longest name that is shown.
const NAME_CHARS: usize = 100;

/// Claims of an `id_token` that people know themselves by, the best first.
const CLAIMS: [&str; 3] = ["email", "preferred_username", "name"];

/// Where answers to token requests name the account or the workspace.
const PATHS: [&str; 13] = [
    "email",
    "user.email",
    "data.email",
    "associated_user.email",
    "team.name",
    "workspace_name",
    "account_name",
    "user.username",
    "user.login",
    "user.name",
    "data.name",
    "athlete.username",
    "screen_name",
];

/// Parameters of a connection that stand for an account.
const PARAMETERS: [&str; 4] = ["subdomain", "domain", "hostname", "shop"];

/// What the provider, or the person, called the account; `None` where neither did. To be shown to whoever connected it,
/// as text: nobody has verified it.
pub fn account_name(
    credentials: &CredentialsJson,
    connection_config: &Map<String, Value>,
) -> Option<String> {
    let raw = credentials.get("raw").unwrap_or(&Value::Null);
    let claims = raw["id_token"].as_str().and_then(claims_of);
    let claimed = claims
        .iter()
        .flat_map(|claims| CLAIMS.iter().map(|name| &claims[*name]));
    let answered = PATHS.iter().map(|path| {
        let mut steps = path.split('.');
        steps.try_fold(raw, |value, step| value.get(step))
    });
    let entered = PARAMETERS.iter().map(|name| connection_config.get(*name));
    // A user name may as well be a key: only one that is an address says so.
    let user = credentials.get("username").filter(|name| is_address(name));
    claimed
        .map(Some)
        .chain(answered)
        .chain([user])
        .chain(entered)
        .flatten()
        .filter_map(Value::as_str)
        .find(|name| is_name(name))
        .map(str::to_owned)
}

/// The token came from the provider itself, so that its signature says nothing more (OpenID Connect Core, 3.1.3.7).
fn claims_of(id_token: &str) -> Option<Value> {
    let payload = id_token.split('.').nth(1)?;
    let decoded = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&decoded).ok()
}

fn is_address(value: &Value) -> bool {
    let parts = value.as_str().and_then(|text| text.split_once('@'));
    parts.is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= NAME_CHARS
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::account_name;

    fn named(credentials: &Value, config: &Value) -> Option<String> {
        account_name(
            credentials.as_object().unwrap(),
            config.as_object().unwrap(),
        )
    }

    fn id_token(claims: &Value) -> String {
        let encoded = URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("e30.{encoded}.sig")
    }

    #[test]
    fn the_name_that_people_know_comes_first() {
        let token = id_token(&json!({"sub": "1", "name": "Ada", "email": "ada@example.com"}));
        let nameless = id_token(&json!({"sub": "1"}));
        let long = "x".repeat(101);
        for (credentials, config, expected) in [
            (
                json!({"raw": {"id_token": token, "team": {"name": "Engines"}}}),
                json!({"subdomain": "acme"}),
                Some("ada@example.com"),
            ),
            (
                json!({"raw": {"id_token": nameless, "team": {"name": "Engines"}}}),
                json!({}),
                Some("Engines"),
            ),
            (
                json!({"raw": {"data": {"name": "Ada", "email": "ada@example.com"}}}),
                json!({}),
                Some("ada@example.com"),
            ),
            (
                json!({"username": "ada@example.com", "password": "p"}),
                json!({"subdomain": "acme"}),
                Some("ada@example.com"),
            ),
            (
                json!({"username": "rk_live_1", "password": ""}),
                json!({"subdomain": "acme"}),
                Some("acme"),
            ),
            (
                json!({"username": "rk_live_1", "raw": {"id_token": "x.y", "email": 5}}),
                json!({"region": "eu"}),
                None,
            ),
            (
                json!({"raw": {"email": long, "team": {"name": "a\nb"}}}),
                json!({"domain": " "}),
                None,
            ),
            (json!({"apiKey": "k"}), json!({}), None),
        ] {
            let found = named(&credentials, &config);
            assert_eq!(found.as_deref(), expected, "{credentials}");
        }
    }
}
