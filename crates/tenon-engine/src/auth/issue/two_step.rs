//! Token requests made of what the end user entered, in one or more steps (auth-and-proxy.md, 6.4).

mod assertion;

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use tenon_core::{Timestamp, auth::CredentialsJson};
use tenon_providers::{
    BodyFormat, ExpirationStrategy, Provider, TokenRequestMethod, TokenResponse, template,
};

use super::{Issued, Party, Vars, jwt, text, xml};
use crate::auth::{
    oauth2::{expiry, token},
    request::{self, Answer, TokenFailure, TokenRequest},
    sign,
};

/// Members that we add to what the person entered.
const OURS: [&str; 7] = [
    super::KEPT,
    "type",
    "token",
    "refresh_token",
    "expires_at",
    "raw",
    "assertionOption",
];

/// For tokens that never expire: the reference says so with a date.
const FOREVER: Duration = Duration::from_secs(99 * 365 * 24 * 3600);

/// A signed token is renewed this long before it ends.
const JWT_MARGIN_SECONDS: i64 = 15 * 60;

/// Asks for a token with what the person entered.
pub(super) async fn issue(
    party: Party<'_>,
    given: &Map<String, Value>,
) -> Result<Issued, TokenFailure> {
    let fields = fields(given);
    let options = given.get("assertionOption").and_then(Value::as_object);
    run(party, fields, options, None).await
}

/// Asks again: with the refresh token where the provider has a way for that; with what was entered where there is none, or
/// where it is worth nothing any more.
pub(super) async fn renew(
    party: Party<'_>,
    stored: &CredentialsJson,
) -> Result<Issued, TokenFailure> {
    let provider = party.provider;
    let refreshes =
        provider.refresh_token_params.is_some() || provider.refresh_token_headers.is_some();
    let Some(refresh_token) = text(stored, "refresh_token").filter(|_| refreshes) else {
        return run(party, fields(stored), None, None).await;
    };
    match run(party, fields(stored), None, Some(refresh_token)).await {
        Err(failure) if matches!(failure.status, Some(400 | 401 | 403)) => {
            run(party, fields(stored), None, None).await
        }
        outcome => outcome,
    }
}

fn fields(given: &Map<String, Value>) -> Map<String, Value> {
    let entered = given
        .iter()
        .filter(|(name, _)| !OURS.contains(&name.as_str()));
    entered
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// One request of several, wherever it was declared.
struct Step<'p> {
    url: &'p str,
    method: TokenRequestMethod,
    format: BodyFormat,
    params: &'p Map<String, Value>,
    headers: &'p IndexMap<String, String>,
}

impl<'p> Step<'p> {
    fn first(provider: &'p Provider) -> Self {
        Self {
            url: provider.token_url().unwrap_or_default(),
            method: provider.token_request_method,
            format: provider.body_format.unwrap_or(BodyFormat::Json),
            params: &provider.token_params,
            headers: &provider.token_headers,
        }
    }

    fn refresh(provider: &'p Provider) -> Self {
        let first = Self::first(provider);
        Self {
            url: provider.refresh_url.as_deref().unwrap_or(first.url),
            params: provider
                .refresh_token_params
                .as_ref()
                .unwrap_or(first.params),
            headers: provider
                .refresh_token_headers
                .as_ref()
                .unwrap_or(first.headers),
            ..first
        }
    }
}

async fn run(
    party: Party<'_>,
    mut fields: Map<String, Value>,
    options: Option<&Map<String, Value>>,
    refresh_token: Option<&str>,
) -> Result<Issued, TokenFailure> {
    let provider = party.provider;
    let mut vars = Vars::new(&party);
    let mut entered = fields.clone();
    entered.extend(presets(&party));
    vars.credentials(&entered);
    if let Some(options) = options {
        vars.object("assertionOption", options.clone());
    }
    if let Some(assertion) = assertion::current(provider, &fields, &vars)? {
        fields.insert("assertion".to_owned(), assertion.as_str().into());
        vars.object("credentials", one("assertion", &assertion));
    }
    if provider.signature.is_some() && provider.token.is_some() {
        let (signed, _) = jwt::sign_declared(provider, &vars)?;
        vars.object("credentials", one("token", &signed));
        vars.value("token", signed);
    }
    if let Some(refresh_token) = refresh_token {
        vars.value("refresh_token", refresh_token);
        vars.object("credentials", one("refresh_token", refresh_token));
    }
    let first = match refresh_token {
        Some(_) => Step::refresh(provider),
        None => Step::first(provider),
    };
    let answer = ask(&party, &first, &vars).await?;
    fields.extend(captured(&provider.token_response_headers, &answer.headers));
    let mut last = body(&answer, first.format)?;
    for (index, declared) in provider.additional_steps.iter().enumerate() {
        let object = last.as_object().cloned().unwrap_or_default();
        vars.object(format!("step{}", index + 1), object);
        let step = Step {
            url: &declared.token_url,
            method: declared.token_request_method,
            format: declared.body_format.unwrap_or(BodyFormat::Json),
            params: &declared.token_params,
            headers: &declared.token_headers,
        };
        last = body(&ask(&party, &step, &vars).await?, step.format)?;
    }
    finish(provider, fields, last, vars.now)
}

fn one(name: &str, value: &str) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert(name.to_owned(), value.into());
    object
}

/// Settings of the owner that stand in for fields of the same name; they are not stored with the connection.
fn presets(party: &Party<'_>) -> Map<String, Value> {
    let config = party.integration.full_config();
    let named = config
        .into_iter()
        .filter(|(name, _)| party.provider.credentials.contains_key(name));
    named.collect()
}

async fn ask(party: &Party<'_>, step: &Step<'_>, vars: &Vars) -> Result<Answer, TokenFailure> {
    let url = vars
        .with(|context| template::render_url(step.url, context))
        .map_err(|error| TokenFailure::ours("token_url", format!("the token URL has {error}")))?;
    let mut request = TokenRequest::post(url);
    for (name, value) in step.headers {
        if let Some(value) = vars.fill_text(value) {
            request = request.header(name, value);
        }
    }
    request = request
        .default_header("accept", "application/json, text/plain, */*")
        .default_header("user-agent", "Tenon")
        .default_header("accept-encoding", "gzip, compress, deflate, br");
    let params = vars.fill(step.params);
    request = match (step.method, step.format) {
        (TokenRequestMethod::Get, _) => {
            request.method = Method::GET;
            request
        }
        (TokenRequestMethod::Post, BodyFormat::Form) => request.form(&params),
        (TokenRequestMethod::Post, BodyFormat::Query) => {
            request.url.set_query(Some(&request::form(&params)));
            request
        }
        (TokenRequestMethod::Post, BodyFormat::Xml) => {
            request.body = Some(xml::write(&params));
            request.default_header("content-type", "application/xml")
        }
        (TokenRequestMethod::Post, BodyFormat::Json) => request.json(&params),
    };
    let answer = request::send(party.engine, request).await?;
    if matches!(answer.status, StatusCode::OK | StatusCode::CREATED) {
        return Ok(answer);
    }
    let reason = format!(
        "the provider answered with status {}",
        answer.status.as_u16()
    );
    Err(TokenFailure::answered(
        "unexpected_status",
        reason,
        answer.status,
    ))
}

/// The answer as JSON; a bare text stays a text, because some providers answer with nothing but the token.
fn body(answer: &Answer, format: BodyFormat) -> Result<Value, TokenFailure> {
    let text = String::from_utf8_lossy(&answer.body);
    if format == BodyFormat::Xml {
        return xml::read(&text).ok_or_else(|| {
            TokenFailure::answered("not_xml", "the provider's answer is not XML", answer.status)
        });
    }
    let trimmed = text.trim();
    if trimmed.is_empty() {
        let reason = "the provider answered without a body";
        return Err(TokenFailure::answered(
            "empty_answer",
            reason,
            answer.status,
        ));
    }
    Ok(serde_json::from_str(trimmed).unwrap_or_else(|_| trimmed.into()))
}

/// Values of headers that the provider wants kept; cookies one by one and together.
fn captured(names: &[String], headers: &HeaderMap) -> Map<String, Value> {
    let mut kept = Map::new();
    for name in names {
        let values = headers.get_all(name.as_str()).iter();
        let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        if !name.eq_ignore_ascii_case(header::SET_COOKIE.as_str()) {
            if let Some(value) = values.first() {
                kept.insert(name.clone(), (*value).into());
            }
            continue;
        }
        let pairs: Vec<&str> = values
            .iter()
            .filter_map(|cookie| cookie.split(';').next())
            .map(str::trim)
            .collect();
        for (cookie, value) in pairs.iter().filter_map(|pair| pair.split_once('=')) {
            kept.insert(cookie.to_owned(), value.into());
        }
        kept.insert("_cookies".to_owned(), pairs.join("; ").into());
    }
    kept
}

fn finish(
    provider: &Provider,
    fields: Map<String, Value>,
    raw: Value,
    now: Timestamp,
) -> Result<Issued, TokenFailure> {
    let declared = provider.token_response.as_ref();
    let token = declared
        .and_then(|declared| at(&raw, &declared.token))
        .and_then(as_text);
    let Some(token) = token else {
        let (cause, said) = request::error_of(&raw);
        let said = said
            .or(cause)
            .map(|said| format!(": {said}"))
            .unwrap_or_default();
        return Err(TokenFailure::answered(
            "invalid_two_step_credentials",
            format!("the provider's answer holds no token{said}"),
            StatusCode::OK,
        ));
    };
    let refresh_token = declared
        .and_then(|declared| declared.refresh_token.as_deref())
        .and_then(|path| at(&raw, path))
        .and_then(as_text);
    let expires_at = expires_at(
        provider,
        declared,
        &raw,
        &token,
        refresh_token.as_deref(),
        now,
    );
    let mut credentials = CredentialsJson::new();
    credentials.insert("type".to_owned(), "TWO_STEP".into());
    credentials.extend(fields);
    credentials.insert("token".to_owned(), token.into());
    if let Some(refresh_token) = refresh_token {
        credentials.insert("refresh_token".to_owned(), refresh_token.into());
    }
    credentials.insert("expires_at".to_owned(), expires_at.iso_millis().into());
    let metadata = raw
        .as_object()
        .map(|answer| token::metadata(&provider.token_response_metadata, answer));
    credentials.insert("raw".to_owned(), raw);
    Ok(Issued {
        credentials,
        expires_at: Some(expires_at),
        connection_config: metadata.unwrap_or_default(),
    })
}

fn expires_at(
    provider: &Provider,
    declared: Option<&TokenResponse>,
    raw: &Value,
    token: &str,
    refresh_token: Option<&str>,
    now: Timestamp,
) -> Timestamp {
    let said = declared.and_then(|declared| {
        let value = at(raw, declared.token_expiration.as_deref()?)?;
        match declared.token_expiration_strategy {
            ExpirationStrategy::ExpireAt => expiry::instant(value, now),
            ExpirationStrategy::ExpireIn => {
                expiry::lifetime(value).map(|lifetime| now.plus(lifetime))
            }
        }
    });
    let fallback = match provider.token_expires_in_ms {
        None | Some(0) => FOREVER,
        Some(lifetime_ms) => Duration::from_millis(lifetime_ms),
    };
    let caps = [Some(token), refresh_token]
        .into_iter()
        .flatten()
        .filter_map(sign::jwt::expiry)
        .map(|exp| Timestamp::from_secs(exp.saturating_sub(JWT_MARGIN_SECONDS)));
    caps.fold(said.unwrap_or_else(|| now.plus(fallback)), Timestamp::min)
}

/// The value at a path; the empty path is the whole answer.
fn at<'v>(raw: &'v Value, path: &str) -> Option<&'v Value> {
    if path.is_empty() {
        return Some(raw);
    }
    token::at(raw.as_object()?, path)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
