//! What the stand-in answers: one object in which everybody finds what the entry says that the provider answers with.

use serde_json::{Map, Value, json};
use tenon_core::auth::AuthMode;
use tenon_providers::{ExpirationStrategy, Provider, template};
use url::Url;

use super::samples::{ADDRESS, is_address};

/// Far enough for everything that expires.
const LATER: &str = "2999-01-01T00:00:00.000Z";

/// Body and content type.
pub(super) fn body(provider: &Provider, asked: &Url) -> (String, &'static str) {
    if provider.auth_mode == AuthMode::OAuth1 {
        let form = "oauth_token=sample-token&oauth_token_secret=sample-token-secret&oauth_callback_confirmed=true";
        return (form.to_owned(), "application/x-www-form-urlencoded");
    }
    (
        Value::Object(object(provider, asked)).to_string(),
        "application/json",
    )
}

fn object(provider: &Provider, asked: &Url) -> Map<String, Value> {
    let mut answer = Map::new();
    for (path, value) in paths(provider) {
        set(&mut answer, &path, value);
    }
    let usual = json!({
        "access_token": "sample-access-token",
        "refresh_token": "sample-refresh-token",
        "token_type": "bearer",
        "expires_in": 3600,
        "token": "sample-access-token",
        "ok": true,
        "response_data": {"sessionId": "sample-session", "usersId": "sample-user"},
    });
    merge(&mut answer, usual);
    if provider.auth_mode == AuthMode::App {
        merge(&mut answer, json!({"expires_at": LATER}));
    }
    if matches!(
        provider.auth_mode,
        AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic
    ) {
        merge(&mut answer, discovery(asked));
    }
    answer
}

/// Places that the entry names, with plausible values.
fn paths(provider: &Provider) -> Vec<(String, Value)> {
    let mut paths = Vec::new();
    let text = |name: &str| Value::from(format!("sample-{name}"));
    if let Some(response) = &provider.token_response {
        paths.push((response.token.clone(), text("access-token")));
        if let Some(path) = &response.refresh_token {
            paths.push((path.clone(), text("refresh-token")));
        }
        if let Some(path) = &response.token_expiration {
            let value = match response.token_expiration_strategy {
                ExpirationStrategy::ExpireAt => LATER.into(),
                ExpirationStrategy::ExpireIn => 3600.into(),
            };
            paths.push((path.clone(), value));
        }
    }
    for path in &provider.token_response_metadata {
        let value = if is_address(provider, path) {
            ADDRESS.into()
        } else {
            text("value")
        };
        paths.push((path.clone(), value));
    }
    if let Some(path) = &provider.alternate_access_token_response_path {
        paths.push((format!("{path}.access_token"), text("user-token")));
    }
    // Later steps read answers of earlier ones.
    let everything = Value::Object(provider.raw.clone()).to_string();
    for path in template::placeholders(&everything) {
        if let Some((step, rest)) = path.split_once('.')
            && step
                .strip_prefix("step")
                .is_some_and(|number| number.parse::<u8>().is_ok())
        {
            paths.push((rest.to_owned(), text("step-value")));
        }
    }
    paths
}

fn discovery(asked: &Url) -> Value {
    let origin = asked.origin().ascii_serialization();
    json!({
        "issuer": origin,
        "resource": origin,
        "authorization_servers": [origin],
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "registration_endpoint": format!("{origin}/register"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "client_id": "sample-client",
        "client_secret": "sample-client-secret",
    })
}

/// Members that are not there yet.
fn merge(answer: &mut Map<String, Value>, usual: Value) {
    if let Value::Object(usual) = usual {
        for (name, value) in usual {
            answer.entry(name).or_insert(value);
        }
    }
}

/// Puts a value at a dotted path, unless something else is in the way.
fn set(answer: &mut Map<String, Value>, path: &str, value: Value) {
    let mut steps: Vec<&str> = path.split('.').collect();
    let Some(last) = steps.pop() else {
        return;
    };
    let mut place = answer;
    for step in steps {
        let inner = place.entry(step).or_insert_with(|| json!({}));
        let Some(inner) = inner.as_object_mut() else {
            return;
        };
        place = inner;
    }
    place.entry(last).or_insert(value);
}
