//! Token requests that a provider declares step by step ([`tenon_providers::TokenExchange`]).

use http::{Method, StatusCode};
use serde_json::{Map, Value};
use tenon_core::Timestamp;
use tenon_providers::{
    AnswerCheck, BodyFormat, ClientProof, ExchangeStep, TokenAnswer, TokenRequestMethod, template,
};
use url::{Url, form_urlencoded};

use super::{Party, Vars, text, xml};
use crate::auth::{
    oauth2::{Client, token},
    request::{self, Answer, TokenFailure, TokenRequest},
    sign::{jwt, key},
};

/// Lifetime of a client assertion.
const ASSERTION_SECONDS: i64 = 300;

/// The answers of all steps.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Their members together, later ones first.
    pub raw: Map<String, Value>,
    /// The same, and each answer under `stepN`.
    all: Map<String, Value>,
}

/// The values of templates: what the connection has, and who we are.
pub(super) fn vars(party: &Party<'_>, client: &Client) -> Vars {
    let mut vars = Vars::new(party);
    vars.value("clientId", client.id.as_str());
    if let Some(secret) = &client.secret {
        vars.value("clientSecret", secret.expose().as_str());
    }
    vars
}

/// Asks step by step; what one step answers, the next may use.
pub(super) async fn ask(
    party: &Party<'_>,
    client: &Client,
    steps: &[ExchangeStep],
    default_url: &str,
    mut vars: Vars,
) -> Result<Answered, TokenFailure> {
    let mut answered = Answered::default();
    for (index, step) in steps.iter().enumerate() {
        let answer = one(party, client, step, default_url, &mut vars).await?;
        let name = format!("step{}", index + 1);
        vars.object(name.clone(), answer.clone());
        answered.raw.extend(answer.clone());
        answered.all.insert(name, Value::Object(answer));
    }
    let all = std::mem::take(&mut answered.all);
    answered.all = answered.raw.clone();
    answered.all.extend(all);
    Ok(answered)
}

async fn one(
    party: &Party<'_>,
    client: &Client,
    step: &ExchangeStep,
    default_url: &str,
    vars: &mut Vars,
) -> Result<Map<String, Value>, TokenFailure> {
    let template = step.url.as_deref().unwrap_or(default_url);
    let url = vars
        .with(|context| template::render_url(template, context))
        .map_err(|error| TokenFailure::ours("token_url", format!("the token URL has {error}")))?;
    if !step.client_assertion.is_empty() {
        let signed = assertion(&vars.fill(&step.client_assertion), client, vars.now)?;
        vars.value("clientAssertion", signed);
    }
    let mut request = written(step, TokenRequest::post(url), vars);
    let body = request.body.clone().unwrap_or_default();
    vars.value("body", body);
    for (name, value) in &step.headers {
        if let Some(value) = vars.fill_text(value) {
            request = request.header(name, value);
        }
    }
    let secret = client.secret.as_ref().map_or("", |secret| secret.expose());
    request = match step.client {
        ClientProof::Params => request,
        ClientProof::Basic => request.header(
            "authorization",
            token::basic(&format!("{}:{secret}", client.id)),
        ),
        ClientProof::SecretAsUser => {
            request.header("authorization", token::basic(&format!("{secret}:")))
        }
    };
    request = request
        .default_header("accept", "application/json")
        .default_header("user-agent", "Tenon");
    let answer = request::send(party.engine, request).await?;
    read(step, &answer)
}

fn written(step: &ExchangeStep, mut request: TokenRequest, vars: &Vars) -> TokenRequest {
    append(&mut request.url, &vars.fill(&step.query));
    let params = vars.fill(&step.params);
    match (step.method, step.body_format.unwrap_or(BodyFormat::Form)) {
        (TokenRequestMethod::Get, _) => {
            append(&mut request.url, &params);
            request.method = Method::GET;
            request
        }
        (TokenRequestMethod::Post, BodyFormat::Query) => {
            append(&mut request.url, &params);
            request
        }
        (TokenRequestMethod::Post, BodyFormat::Json) => request.json(&params),
        (TokenRequestMethod::Post, BodyFormat::Form) => request.form(&params),
        (TokenRequestMethod::Post, BodyFormat::Xml) => {
            request.body = Some(xml::write(&params));
            request.default_header("content-type", "application/xml")
        }
    }
}

fn append(url: &mut Url, params: &Map<String, Value>) {
    if params.is_empty() {
        return;
    }
    let mut query = form_urlencoded::Serializer::new(url.query().unwrap_or_default().to_owned());
    for (name, value) in params {
        match value {
            Value::String(text) => query.append_pair(name, text),
            other => query.append_pair(name, &other.to_string()),
        };
    }
    let query = query.finish();
    url.set_query(Some(&query));
}

fn read(step: &ExchangeStep, answer: &Answer) -> Result<Map<String, Value>, TokenFailure> {
    if step.body_format != Some(BodyFormat::Xml) {
        return answer.object();
    }
    match xml::read(&String::from_utf8_lossy(&answer.body)) {
        Some(Value::Object(object)) => Ok(object),
        _ => Err(TokenFailure::answered(
            "not_xml",
            "the provider's answer is not XML",
            answer.status,
        )),
    }
}

fn assertion(
    claims: &Map<String, Value>,
    client: &Client,
    now: Timestamp,
) -> Result<String, TokenFailure> {
    let unusable = |reason: String| TokenFailure::ours("invalid_private_key", reason);
    let pem = client.secret.as_ref().map_or("", |secret| secret.expose());
    let key = key::rsa_from_pem(pem).map_err(|error| unusable(error.to_string()))?;
    let mut header = Map::new();
    header.insert("alg".to_owned(), "RS256".into());
    header.insert("typ".to_owned(), "JWT".into());
    let mut payload = claims.clone();
    payload.insert("iat".to_owned(), now.secs().into());
    payload.insert("exp".to_owned(), (now.secs() + ASSERTION_SECONDS).into());
    jwt::sign_rs256(&header, &payload, &key).map_err(|error| unusable(error.to_string()))
}

impl Answered {
    /// The answer of a usual request.
    pub(super) fn usual(raw: Map<String, Value>) -> Self {
        Self {
            all: raw.clone(),
            raw,
        }
    }

    /// The answer under the usual names; `kept` stands in for a token that lives on.
    pub(super) fn normal(
        &self,
        answer: &TokenAnswer,
        kept: Option<&str>,
    ) -> Result<Map<String, Value>, TokenFailure> {
        if let Some(check) = &answer.succeeds_when
            && !holds(check, &self.all)
        {
            let (cause, said) = request::error_of(&Value::Object(self.raw.clone()));
            let said = said.map(|said| format!(": {said}")).unwrap_or_default();
            return Err(TokenFailure::answered(
                cause.as_deref().unwrap_or("refused"),
                format!("the provider refused{said}"),
                StatusCode::OK,
            ));
        }
        let mut normal = self.raw.clone();
        for (name, path) in [
            ("access_token", &answer.access_token),
            ("refresh_token", &answer.refresh_token),
            ("expires_in", &answer.expires_in),
            ("expires_at", &answer.expires_at),
        ] {
            if let Some(value) = token::at(&self.all, path) {
                normal.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(kept) = kept.filter(|_| answer.keeps_token) {
            normal.insert("access_token".to_owned(), kept.into());
        }
        Ok(normal)
    }
}

/// Whether an answer says of itself that it is good. Texts and numbers of the same digits are equal.
pub(crate) fn holds(check: &AnswerCheck, answer: &Map<String, Value>) -> bool {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let found = token::at(answer, &check.path).filter(|value| !value.is_null());
    match &check.is {
        Some(wanted) => found.is_some_and(|value| plain(value) == plain(wanted)),
        None => found.is_some(),
    }
}

/// The host of a URL, for those who want to be told where a browser comes back to.
pub(super) fn host(url: &str) -> String {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str);
    host.unwrap_or_default().to_owned()
}

/// A token of a connection under a name, if it has one.
pub(super) fn known(
    vars: &mut Vars,
    name: &'static str,
    object: &Map<String, Value>,
    member: &str,
) {
    if let Some(token) = text(object, member) {
        vars.value(name, token);
    }
}
