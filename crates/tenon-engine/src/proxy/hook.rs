//! Calls around a connection with credentials that need not be stored yet (auth-and-proxy.md, 6.10).

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};
use tenon_core::{auth::AuthMode, limits};
use tenon_providers::{
    Choice, HookCall, Pick, Provider,
    template::{self, Context},
};

use super::{
    ask::{Ask, AskBody},
    auth::Auth,
    build::{self, Moment},
    headers::put,
    send::ProxyError,
    verify::{Candidate, VerificationFailed},
};
use crate::{Engine, auth::oauth2::token};

/// Largest answer of such a call: a page about an account.
const ANSWER_BYTES: u64 = 1024 * 1024;

/// Asks the provider; the answer is JSON. A call without an endpoint is answered by the credentials themselves.
pub async fn ask(
    engine: &Engine,
    provider: &Provider,
    mode: AuthMode,
    candidate: Candidate<'_>,
    call: &HookCall,
) -> Result<Value, VerificationFailed> {
    let Some(endpoint) = &call.endpoint else {
        return Ok(Value::Object(candidate.credentials.clone()));
    };
    let auth = candidate.auth(mode);
    let failed = |reason: String, status| VerificationFailed { reason, status };
    let request = request(engine, provider, &auth, call, endpoint)
        .map_err(|error| failed(error.to_string(), None))?;
    let response = engine.egress.send(request).await;
    let response = response.map_err(|error| failed(error.to_string(), None))?;
    let status = response.status.as_u16();
    if !response.status.is_success() {
        let reason = format!("the provider answered {status}");
        return Err(failed(reason, Some(status)));
    }
    let body = response.collect(ANSWER_BYTES).await;
    let body = body.map_err(|error| failed(error.to_string(), Some(status)))?;
    // An answer without a word is fine where nothing is picked out of it.
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(choice) = &call.choose else {
        return Ok(answer);
    };
    let scope = auth.scope();
    let context = Context::new(&scope, engine.clock.now(), engine.ids.uuid4());
    let wanted = template::render(&choice.is, &context);
    Ok(chosen(&answer, choice, &wanted)
        .cloned()
        .unwrap_or_default())
}

fn request(
    engine: &Engine,
    provider: &Provider,
    auth: &Auth<'_>,
    call: &HookCall,
    endpoint: &str,
) -> Result<crate::egress::EgressRequest, ProxyError> {
    let moment = Moment {
        now: engine.clock.now(),
        random: engine.ids.uuid4(),
    };
    let scope = auth.scope();
    let context = Context::new(&scope, moment.now, moment.random);
    let method = call.method.as_deref().unwrap_or("GET");
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| ProxyError::Body(format!("`{method}` is not a method")))?;
    let mut headers = HeaderMap::new();
    for (name, template) in &call.headers {
        if let Ok(value) = template::render_resolved(template, &context) {
            put(&mut headers, name, &value).map_err(ProxyError::Header)?;
        }
    }
    let body = match &call.data {
        None => AskBody::Bytes(Bytes::new()),
        Some(Value::String(text)) => AskBody::Bytes(Bytes::from(template::render(text, &context))),
        Some(data) => AskBody::Json(Bytes::from(
            template::render_value(data, &context).to_string(),
        )),
    };
    let mut ask = Ask {
        method,
        endpoint: endpoint.to_owned(),
        params: None,
        headers,
        body,
        base_url_override: call.base_url.clone(),
        decompress: None,
        keep_headers: None,
        hosts: None,
        templates: Vec::new(),
    };
    let nonces = &engine.refreshes.nonces;
    let mut request = build::request(provider, auth, &mut ask, moment, nonces)?;
    request.options.timeout = Some(limits::VERIFICATION_TIMEOUT);
    request.options.max_response_bytes = Some(ANSWER_BYTES);
    Ok(request)
}

/// The item of a list that is meant.
fn chosen<'a>(answer: &'a Value, choice: &Choice, wanted: &str) -> Option<&'a Value> {
    let list = match &choice.path {
        Some(path) => at(answer, path)?,
        None => answer,
    };
    let items = list.as_array()?;
    let is_it = |item: &&Value| {
        let member = at(item, &choice.member);
        member.is_some_and(|value| match value {
            Value::String(text) => text == wanted,
            other => {
                let text = other.to_string();
                text == wanted
            }
        })
    };
    items.iter().find(is_it).or_else(|| items.first())
}

/// What a call brings for the connection config; what is not in the answer is left out.
pub fn picked(call: &HookCall, answer: &Value) -> Map<String, Value> {
    let found = call
        .store
        .iter()
        .filter_map(|(name, pick)| Some((name.clone(), pick_one(pick, answer)?)));
    found.collect()
}

fn pick_one(pick: &Pick, answer: &Value) -> Option<Value> {
    if let Some(value) = &pick.value {
        return Some(value.as_str().into());
    }
    let value = at(answer, &pick.path)?;
    let mut value = match &pick.claim {
        Some(claim) => claim_of(value.as_str()?, claim)?,
        None => value.clone(),
    };
    if let Some(pattern) = &pick.pattern {
        let captured = pattern.captures(value.as_str()?)?;
        value = captured.get(1)?.as_str().into();
    }
    if pick.sha256 {
        value = hidden(value.as_str()?).into();
    }
    let is_plain = value.is_string() || value.is_number() || value.is_boolean();
    is_plain.then_some(value)
}

/// A text in a form that finds it again and does not tell it: hex SHA-256 of it in lower case.
pub(crate) fn hidden(text: &str) -> String {
    let text = text.to_lowercase();
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// The value at a dotted path of an object or, beginning with a number, of a list.
fn at<'v>(answer: &'v Value, path: &str) -> Option<&'v Value> {
    match answer {
        Value::Object(object) => token::at(object, path),
        Value::Array(items) => {
            let (index, rest) = path.split_once('.').unwrap_or((path, ""));
            let item = items.get(index.parse::<usize>().ok()?)?;
            if rest.is_empty() {
                return Some(item);
            }
            at(item, rest)
        }
        _ => None,
    }
}

/// A claim of a signed token that came straight from its issuer; its signature proves nothing more.
fn claim_of(signed: &str, claim: &str) -> Option<Value> {
    let payload = signed.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&bytes).ok()?;
    claims.get(claim).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tenon_providers::HookCall;

    use super::picked;

    #[test]
    fn answers_are_picked_apart() {
        let call: HookCall = serde_json::from_value(json!({ "store": {
            "first": "0.id",
            "host": { "path": "1.url", "pattern": "^https://([^/]+)" },
            "hash": { "path": "1.mail", "sha256": true },
            "tenant": { "path": "1.token", "claim": "tid" },
            "none": "7.id",
            "object": "1",
        } }))
        .unwrap();
        let answer = json!([{ "id": 7 }, { "url": "https://a.example/x", "mail": "A@b.example", "token": "e30.eyJ0aWQiOiJ0In0.s" }]);
        assert_eq!(
            Value::Object(picked(&call, &answer)),
            json!({ "first": 7, "host": "a.example", "tenant": "t",
                "hash": "ebb18a030bf15174f5714e24d63af1a81355c951ea7389bd2a9bd18e3d0c2477" })
        );
    }
}
