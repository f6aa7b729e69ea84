//! Requests that prove credentials before they are stored (auth-and-proxy.md, 6.3).

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};
use tenon_core::{
    auth::{AuthMode, CredentialsJson},
    limits,
};
use tenon_providers::{
    Provider, Verification,
    template::{self, Context},
};

use super::{
    ask::{Ask, AskBody},
    auth::Auth,
    build::{self, Moment},
    send::ProxyError,
};
use crate::{Engine, auth::issue::holds};

/// Largest answer that is looked at.
const ANSWER_BYTES: u64 = 1024 * 1024;

/// Credentials that are not stored yet.
#[derive(Debug)]
pub struct Candidate<'a> {
    pub credentials: &'a CredentialsJson,
    pub connection_config: &'a Map<String, Value>,
    /// Values of the provider's `integration_config`.
    pub integration_config: &'a Map<String, Value>,
    pub client_id: Option<&'a str>,
    pub client_secret: Option<&'a str>,
}

impl<'a> Candidate<'a> {
    /// As templates and signatures see it.
    pub(super) const fn auth(&self, mode: AuthMode) -> Auth<'a> {
        Auth {
            mode,
            credentials: self.credentials,
            connection_config: self.connection_config,
            integration_config: self.integration_config,
            client_id: self.client_id,
            client_secret: self.client_secret,
            dpop_key: None,
        }
    }
}

/// The provider did not accept the credentials.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct VerificationFailed {
    pub reason: String,
    /// Status of the last answer, if there was one.
    pub status: Option<u16>,
}

/// Asks the provider whether these credentials work: its `proxy.verification` endpoints in order, the first 2xx wins. A
/// provider without such endpoints accepts anything.
pub async fn verify(
    engine: &Engine,
    provider: &str,
    candidate: Candidate<'_>,
) -> Result<(), VerificationFailed> {
    let provider = engine
        .catalogue
        .find(provider)
        .ok_or_else(|| VerificationFailed {
            reason: format!("no provider `{provider}`"),
            status: None,
        })?;
    let proxy = provider.proxy.as_ref();
    let Some(verification) = proxy.and_then(|proxy| proxy.verification.as_ref()) else {
        return Ok(());
    };
    let auth = candidate.auth(provider.auth_mode);
    let mut failure = None;
    for endpoint in &verification.endpoints {
        match attempt(engine, &provider, &auth, verification, endpoint).await {
            Ok((status, true)) if (200..300).contains(&status) => return Ok(()),
            Ok((status, false)) if (200..300).contains(&status) => {
                failure = Some(VerificationFailed {
                    reason: "the provider's answer says that they are not right".to_owned(),
                    status: Some(status),
                });
            }
            Ok((status, _)) => {
                failure = Some(VerificationFailed {
                    reason: format!("the provider answered {status}"),
                    status: Some(status),
                });
            }
            Err(error) => {
                failure = Some(VerificationFailed {
                    reason: error.to_string(),
                    status: None,
                });
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn attempt(
    engine: &Engine,
    provider: &Provider,
    auth: &Auth<'_>,
    verification: &Verification,
    endpoint: &str,
) -> Result<(u16, bool), ProxyError> {
    let moment = Moment {
        now: engine.clock.now(),
        random: engine.ids.uuid4(),
    };
    let scope = auth.scope();
    let context = Context::new(&scope, moment.now, moment.random);
    let mut ask = ask(verification, endpoint, &context)?;
    let mut request = build::request(provider, auth, &mut ask, moment, &engine.refreshes.nonces)?;
    request.options.timeout = Some(limits::VERIFICATION_TIMEOUT);
    let method = request.method.clone();
    let response = engine
        .egress
        .send(request)
        .await
        .map_err(|source| ProxyError::NoAnswer { method, source })?;
    let status = response.status.as_u16();
    let Some(check) = &verification.expect else {
        return Ok((status, true));
    };
    let body = response.collect(ANSWER_BYTES).await;
    let answer = body
        .ok()
        .and_then(|body| serde_json::from_slice(&body).ok());
    let is_right = answer.is_some_and(|answer| holds(check, &answer));
    Ok((status, is_right))
}

fn ask(
    verification: &Verification,
    endpoint: &str,
    context: &Context<'_>,
) -> Result<Ask, ProxyError> {
    let method = Method::from_bytes(verification.method.to_ascii_uppercase().as_bytes())
        .map_err(|_| ProxyError::Body(format!("`{}` is not a method", verification.method)))?;
    let body = match &verification.data {
        None => AskBody::Bytes(Bytes::new()),
        Some(Value::String(text)) => AskBody::Bytes(Bytes::from(template::render(text, context))),
        Some(data) => AskBody::Json(Bytes::from(
            template::render_value(data, context).to_string(),
        )),
    };
    Ok(Ask {
        method,
        endpoint: endpoint.to_owned(),
        params: None,
        headers: HeaderMap::new(),
        body,
        base_url_override: verification.base_url_override.clone(),
        decompress: None,
        keep_headers: None,
        hosts: None,
        templates: verification
            .headers
            .iter()
            .map(|(name, template)| (name.clone(), template.clone()))
            .collect(),
    })
}
