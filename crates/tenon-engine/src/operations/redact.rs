//! Masks what must not stand in a log.

use serde_json::Value;

/// Key names whose values are secrets, compared in lower case without `-` and `_`.
const SECRET_KEYS: &[&str] = &[
    "authorization",
    "proxyauthorization",
    "cookie",
    "setcookie",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "apikey",
    "xapikey",
    "password",
    "secret",
    "clientsecret",
    "privatekey",
    "token",
    "sessiontoken",
    "connectsessiontoken",
    "hmac",
    "code",
    "codeverifier",
    "clientassertion",
    "credentials",
    "oauthtoken",
    "oauthtokensecret",
];

/// A copy of `payload` with the values of secret keys replaced by `***`.
pub fn redact(payload: &Value) -> Value {
    match payload {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                let value = if is_secret(key) && !value.is_null() {
                    Value::from("***")
                } else {
                    redact(value)
                };
                (key.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(redact).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => payload.clone(),
    }
}

/// Whether a field, header or parameter of this name holds a secret.
pub fn is_secret(key: &str) -> bool {
    let plain: String = key
        .chars()
        .filter(|c| *c != '-' && *c != '_')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    SECRET_KEYS.contains(&plain.as_str()) || plain.ends_with("secret") || plain.ends_with("token")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::redact;

    #[test]
    fn secrets_are_masked_at_every_depth() {
        let payload = json!({"a": [{"Access_Token": "x", "n": 1}], "X-Api-Key": "k", "page_token": "p", "url": "u"});
        let masked = json!({"a": [{"Access_Token": "***", "n": 1}], "X-Api-Key": "***", "page_token": "***", "url": "u"});
        assert_eq!(redact(&payload), masked);
    }
}
