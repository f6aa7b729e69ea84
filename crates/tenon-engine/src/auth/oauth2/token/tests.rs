use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use tenon_core::{Secret, Timestamp};
use tenon_providers::{
    Provider,
    template::{Context, Scope},
};
use url::form_urlencoded;
use uuid::Uuid;

use super::{CodeExchange, code_exchange, metadata, read, refresh};
use crate::auth::{oauth2::Client, request::TokenRequest};

/// Made for this test.
const P256: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLgnFS5D/HkAJRTpr
hnKpf7KgbFL1h4zfN5XvHxzLS0KhRANCAAScL4LKnTYo0Fp6K3QfryjkIIzNTukj
fz5u1yXhbLObTAFgIguWZp1HletYLbW0FmYqOMu1UB/YPTWl32YNQpW3
-----END PRIVATE KEY-----";

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn provider(entry: Value) -> Provider {
    let mut all = object(json!({ "auth_mode": "OAUTH2", "token_url": "https://id.example/token" }));
    all.extend(object(entry));
    serde_json::from_value(Value::Object(all)).unwrap()
}

fn client() -> Client {
    Client {
        id: "c id".to_owned(),
        secret: Some(Secret::new("s/ecret".to_owned())),
    }
}

fn with_context<T>(config: &Value, use_it: impl FnOnce(&Context<'_>) -> T) -> T {
    let config = object(config.clone());
    let scope = Scope::new().with_object("connectionConfig", &config);
    use_it(&Context::new(&scope, NOW, Uuid::nil()))
}

fn exchanged(entry: Value) -> TokenRequest {
    let exchange = CodeExchange {
        code: "the code",
        redirect_uri: "https://t.example/cb",
        code_verifier: Some("ver"),
    };
    with_context(&json!({ "store": "s1" }), |context| {
        code_exchange(&provider(entry), &client(), &exchange, context).unwrap()
    })
}

fn header<'r>(request: &'r TokenRequest, name: &str) -> Option<&'r str> {
    let found = request.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn client_authentication_and_body_formats() {
    let plain = exchanged(
        json!({ "token_params": { "grant_type": "authorization_code", "context": "stores/${connectionConfig.store}" } }),
    );
    assert_eq!(
        plain.body.as_deref(),
        Some(
            "grant_type=authorization_code&code=the%20code&redirect_uri=https%3A%2F%2Ft.example%2Fcb&context=stores%2Fs1&code_verifier=ver&client_id=c%20id&client_secret=s%2Fecret"
        )
    );
    assert_eq!(header(&plain, "accept"), Some("application/json"));
    assert_eq!(
        header(&plain, "content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(header(&plain, "authorization"), None);

    let in_header = exchanged(json!({ "authorization_method": "header", "body_format": "form" }));
    // base64("c+id:s%2Fecret")
    assert_eq!(
        header(&in_header, "authorization"),
        Some("Basic YytpZDpzJTJGZWNyZXQ=")
    );
    assert!(!in_header.body.unwrap().contains("client_"));

    let both = exchanged(json!({ "token_request_auth_method": "basic" }));
    // base64("c id:s/ecret")
    assert_eq!(
        header(&both, "authorization"),
        Some("Basic YyBpZDpzL2VjcmV0")
    );
    assert!(both.body.unwrap().contains("client_secret="));

    let json_body = exchanged(json!({ "body_format": "json", "token_params": { "expiring": 1 } }));
    let body: Value = serde_json::from_str(json_body.body.as_deref().unwrap()).unwrap();
    assert_eq!(body["expiring"], 1);
    assert_eq!(body["code"], "the code");
    assert_eq!(header(&json_body, "content-type"), Some("application/json"));
}

#[test]
fn a_key_proves_more_than_a_secret() {
    let entry = json!({ "token_url": "https://p.example/token", "refresh_url": "https://p.example/refresh",
        "token_request_auth_method": "private_key_jwt", "authorization_method": "header" });
    let client = Client {
        id: "c id".to_owned(),
        secret: Some(Secret::new(P256.to_owned())),
    };
    let request = with_context(&json!({}), |context| {
        refresh(&provider(entry.clone()), &client, "the token", context).unwrap()
    });
    assert_eq!(request.url.as_str(), "https://p.example/refresh");
    assert_eq!(header(&request, "authorization"), None);
    let form: Map<String, Value> = form_urlencoded::parse(request.body.unwrap().as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    assert_eq!(form["client_id"], "c id");
    assert_eq!(form.get("client_secret"), None);
    let assertion = form["client_assertion"].as_str().unwrap();
    let part = |at: usize| -> Value {
        let text = assertion.split('.').nth(at).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({ "alg": "ES256", "typ": "JWT" }));
    let claims = json!({ "iss": "c id", "sub": "c id", "aud": "https://p.example/token", "iat": NOW.secs(),
        "exp": NOW.secs() + 300, "jti": Uuid::nil().to_string() });
    assert_eq!(part(1), claims);

    let secret = Some(Secret::new("not a key".to_owned()));
    let client = Client { secret, ..client };
    let refused = with_context(&json!({}), |context| {
        refresh(&provider(entry), &client, "the token", context).unwrap_err()
    });
    assert!(
        refused.to_string().contains("RSA JSON Web Key"),
        "{refused}"
    );
    assert!(!refused.to_string().contains("not a key"), "{refused}");
}

#[test]
fn refresh_never_asks_for_an_authorization_code() {
    let cases = [
        (json!({}), "grant_type=refresh_token&refresh_token=rt"),
        (
            json!({ "refresh_params": { "grant_type": "refresh_token", "resource": "https://${connectionConfig.store}" } }),
            "grant_type=refresh_token&refresh_token=rt&resource=https%3A%2F%2Fs1",
        ),
        (
            json!({ "token_params": { "grant_type": "authorization_code", "expiring": 1 } }),
            "grant_type=refresh_token&refresh_token=rt&expiring=1",
        ),
    ];
    for (entry, expected) in cases {
        let request = with_context(&json!({ "store": "s1" }), |context| {
            refresh(&provider(entry), &client(), "rt", context).unwrap()
        });
        assert_eq!(
            request.body.unwrap(),
            format!("{expected}&client_id=c%20id&client_secret=s%2Fecret")
        );
    }
}

#[test]
fn tokens_are_read_from_where_providers_put_them() {
    let token = read(
        &provider(json!({})),
        object(json!({ "access_token": "a", "refresh_token": "r", "expires_in": "60" })),
        NOW,
    )
    .unwrap();
    assert_eq!(token.expires_at, Some(Timestamp::from_secs(1_700_000_060)));
    assert_eq!(token.raw["expires_at"], "2023-11-14T22:14:20.000Z");

    let forever = read(
        &provider(json!({})),
        object(json!({ "access_token": "a" })),
        NOW,
    )
    .unwrap();
    assert_eq!((forever.expires_at, forever.refresh_token), (None, None));
    assert!(!forever.raw.contains_key("expires_at"));

    let entry = json!({ "alternate_access_token_response_path": "authed_user" });
    let answer = json!({ "ok": true, "authed_user": { "access_token": "u", "expires_in": 5, "refresh_token": "ur" } });
    let nested = read(&provider(entry), object(answer.clone()), NOW).unwrap();
    assert_eq!(nested.access_token, "u");
    assert_eq!(nested.refresh_token.as_deref(), Some("ur"));
    assert_eq!(Value::Object(nested.raw), answer);

    let millis = read(
        &provider(json!({ "expires_in_unit": "milliseconds" })),
        object(json!({ "access_token": "a", "expires_in": 60_000 })),
        NOW,
    )
    .unwrap();
    assert_eq!(millis.expires_at, Some(Timestamp::from_secs(1_700_000_060)));
}

#[test]
fn errors_with_status_200_are_errors() {
    let cases = [
        (
            json!({ "error": "bad_verification_code", "error_description": "The code is incorrect or expired." }),
            "bad_verification_code",
            "the provider's answer holds no access token: The code is incorrect or expired.",
        ),
        (
            json!({ "ok": false, "error": "nothing" }),
            "nothing",
            "the provider's answer holds no access token: nothing",
        ),
        (
            json!({ "access_token": "" }),
            "missing_access_token",
            "the provider's answer holds no access token",
        ),
        (
            json!({ "access_token": null }),
            "missing_access_token",
            "the provider's answer holds no access token",
        ),
    ];
    for (answer, cause, reason) in cases {
        let failure = read(&provider(json!({})), object(answer), NOW).unwrap_err();
        assert_eq!(
            (failure.cause.as_str(), failure.reason.as_str()),
            (cause, reason)
        );
    }
}

#[test]
fn a_refresh_keeps_what_the_answer_does_not_repeat() {
    let before = object(
        json!({ "type": "OAUTH2", "access_token": "old", "refresh_token": "keep", "expires_at": "x", "config_override": { "client_id": "own" } }),
    );
    let token = read(
        &provider(json!({})),
        object(json!({ "access_token": "new" })),
        NOW,
    )
    .unwrap();
    let after = token.into_credentials(Some(&before));
    assert_eq!(
        Value::Object(after),
        json!({ "type": "OAUTH2", "access_token": "new", "refresh_token": "keep", "raw": { "access_token": "new" }, "config_override": { "client_id": "own" } })
    );
}

#[test]
fn metadata_keeps_texts_and_booleans_under_dotted_names() {
    let paths = ["team.id", "flag", "count", "gone"].map(str::to_owned);
    let answer = object(json!({ "team": { "id": "T1", "name": "no" }, "flag": true, "count": 3 }));
    assert_eq!(
        Value::Object(metadata(&paths, &answer)),
        json!({ "team.id": "T1", "flag": true })
    );
}
