use serde_json::{Map, Value, json};
use tenon_core::Timestamp;
use tenon_providers::{
    Provider,
    template::{Context, Scope, UrlError},
};
use uuid::Uuid;

use super::{Authorize, scopes, url};

fn provider(entry: Value) -> Provider {
    let mut all =
        json!({ "auth_mode": "OAUTH2", "authorization_url": "https://id.example/authorize" });
    let (all, entry) = (all.as_object_mut().unwrap(), entry);
    all.extend(entry.as_object().unwrap().clone());
    serde_json::from_value(Value::Object(all.clone())).unwrap()
}

fn build(entry: Value, params: Value, config: Value) -> Result<String, UrlError> {
    let provider = provider(entry);
    let config = config.as_object().unwrap().clone();
    let params: Map<String, Value> = params.as_object().unwrap().clone();
    let scope = Scope::new().with_object("connectionConfig", &config);
    let context = Context::new(&scope, Timestamp::from_secs(0), Uuid::nil());
    let scopes = scopes(Some("read:all,write"));
    let authorize = Authorize {
        provider: &provider,
        client_id: "cid",
        redirect_uri: "https://tenon.example/oauth/callback",
        scopes: &scopes,
        state: "st",
        code_challenge: (!provider.disable_pkce).then_some("ch"),
        params: &params,
        user_scope: None,
    };
    url(&authorize, &context)
}

const REST: &str = "client_id=cid&redirect_uri=https%3A%2F%2Ftenon.example%2Foauth%2Fcallback";

#[test]
fn the_rules_of_the_authorization_url() {
    let cases = [
        (
            "the plain form",
            json!({}),
            json!({}),
            format!("https://id.example/authorize?response_type=code&{REST}&scope=read%3Aall+write&state=st&code_challenge=ch&code_challenge_method=S256"),
        ),
        (
            "own scope separator, no PKCE",
            json!({ "scope_separator": ",", "disable_pkce": true }),
            json!({}),
            format!("https://id.example/authorize?response_type=code&{REST}&scope=read%3Aall%2Cwrite&state=st"),
        ),
        (
            "params of the provider, then of the flow; `undefined` removes",
            json!({ "disable_pkce": true, "authorization_params": { "access_type": "offline", "prompt": "consent" } }),
            json!({ "prompt": "login", "access_type": "undefined", "extra": "e f" }),
            format!("https://id.example/authorize?response_type=code&{REST}&scope=read%3Aall+write&state=st&prompt=login&extra=e+f"),
        ),
        (
            "reserved names stay ours",
            json!({}),
            json!({ "state": "theirs", "redirect_uri": "https://evil.example", "code_challenge_method": "plain", "code_challenge": "undefined" }),
            format!("https://id.example/authorize?response_type=code&{REST}&scope=read%3Aall+write&state=st&code_challenge=ch&code_challenge_method=S256"),
        ),
        (
            "scopes as they are",
            json!({ "disable_pkce": true, "authorization_url_skip_encode": ["scopes"] }),
            json!({}),
            format!("https://id.example/authorize?response_type=code&{REST}&state=st&scope=read:all write"),
        ),
        (
            "a fragment before the query",
            json!({ "disable_pkce": true, "authorization_url_fragment": "oauth/authorize" }),
            json!({}),
            format!("https://id.example/authorize#oauth/authorize?response_type=code&{REST}&scope=read%3Aall+write&state=st"),
        ),
        (
            "first-occurrence replacements",
            json!({ "disable_pkce": true, "authorization_url_replacements": { "client_id": "client_key", "redirect_uri=": "redirectUri=" } }),
            json!({}),
            "https://id.example/authorize?response_type=code&client_key=cid&redirectUri=https%3A%2F%2Ftenon.example%2Foauth%2Fcallback&scope=read%3Aall+write&state=st".to_owned(),
        ),
        (
            "empty params dropped",
            json!({ "disable_pkce": true, "authorization_url_skip_empty": true, "authorization_params": { "response_type": "", "nonce": "" } }),
            json!({}),
            format!("https://id.example/authorize?{REST}&scope=read%3Aall+write&state=st"),
        ),
        (
            "a query that the provider's URL brings along",
            json!({ "disable_pkce": true, "authorization_url": "https://id.example/authorize?flow=web" }),
            json!({}),
            format!("https://id.example/authorize?flow=web&response_type=code&{REST}&scope=read%3Aall+write&state=st"),
        ),
    ];
    for (rule, entry, params, expected) in cases {
        assert_eq!(build(entry, params, json!({})).unwrap(), expected, "{rule}");
    }
}

#[test]
fn values_cannot_leave_their_place_in_the_url() {
    let entry = json!({ "authorization_url": "https://${connectionConfig.subdomain}.id.example/authorize", "disable_pkce": true });
    let built = build(entry.clone(), json!({}), json!({ "subdomain": "acme" })).unwrap();
    assert!(
        built.starts_with("https://acme.id.example/authorize?"),
        "{built}"
    );
    let error = build(
        entry.clone(),
        json!({}),
        json!({ "subdomain": "evil.example/" }),
    )
    .unwrap_err();
    assert!(matches!(error, UrlError::NotAUrl(_)), "{error}");
    let error = build(entry, json!({}), json!({})).unwrap_err();
    assert_eq!(
        error,
        UrlError::Unresolved(vec!["connectionConfig.subdomain".to_owned()])
    );
}

#[test]
fn alternatives_need_one_side_only() {
    let entry = json!({ "disable_pkce": true, "authorization_url":
        "https://${connectionConfig.host}/authorize || https://${connectionConfig.subdomain}.id.example/authorize" });
    let built = build(entry, json!({}), json!({ "subdomain": "acme" })).unwrap();
    assert!(
        built.starts_with("https://acme.id.example/authorize?"),
        "{built}"
    );
}
