//! The attempts of a request.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use serde_json::{Map, Value};
use tenon_core::{function::RetryHeader, limits, names::IntegrationPk};
use tenon_providers::Provider;

use super::{
    ask::{Ask, AskBody, ProxyTarget},
    auth::Auth,
    build::{self, Moment},
    log::Attempt,
    retry::{Refusal, Rules},
    send::ProxyError,
};
use crate::{
    Engine,
    auth::{
        dpop,
        refresh::{self, ConnectionWithCredentials, CredentialsError, Refresh},
    },
    egress::{EgressError, EgressResponse},
};

/// Credentials are looked at again before a retry when the last look is older than this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How often and why to try again.
pub(super) struct Policy<'a> {
    pub(super) retries: u32,
    pub(super) retry_on: &'a [u16],
    pub(super) hints: Option<&'a RetryHeader>,
    /// The rule of functions: credentials are read before every attempt, and a 401 with unchanged ones ends the loop.
    pub(super) for_function: bool,
}

/// A connection ready for use.
pub(super) struct Ready {
    pub(super) connection: Arc<ConnectionWithCredentials>,
    pub(super) provider: Arc<Provider>,
    pub(super) integration_config: Map<String, Value>,
}

impl Ready {
    /// Reads the connection, refreshing its credentials if that is due.
    pub(super) async fn load(engine: &Engine, target: &ProxyTarget) -> Result<Self, ProxyError> {
        let connection = read(engine, target).await?;
        let provider = engine
            .catalogue
            .find(connection.provider_name.as_str())
            .ok_or_else(|| {
                CredentialsError::UnknownProvider(connection.provider_name.to_string())
            })?;
        let integration_config = if provider.integration_config.is_empty() {
            Map::new()
        } else {
            integration_config(engine, connection.integration_pk).await?
        };
        Ok(Self {
            connection,
            provider,
            integration_config,
        })
    }
}

async fn read(
    engine: &Engine,
    target: &ProxyTarget,
) -> Result<Arc<ConnectionWithCredentials>, CredentialsError> {
    refresh::fresh(
        engine,
        target.environment,
        &target.integration,
        &target.connection,
        Refresh::IfNeeded,
    )
    .await
}

async fn integration_config(
    engine: &Engine,
    integration: IntegrationPk,
) -> Result<Map<String, Value>, CredentialsError> {
    let row = engine.reader().find_integration_by_pk(integration).await?;
    Ok(row.map(|row| row.full_config()).unwrap_or_default())
}

/// Sends until there is an answer worth returning or no attempt left.
pub(super) async fn run(
    engine: &Engine,
    target: &ProxyTarget,
    ready: &mut Ready,
    ask: &mut Ask,
    policy: &Policy<'_>,
) -> Result<EgressResponse, ProxyError> {
    let retries = if matches!(ask.body, AskBody::Stream(Some(_))) {
        0
    } else {
        policy.retries.min(limits::PROXY_RETRIES)
    };
    let mut looked_at = engine.clock.monotonic();
    let mut number = 0;
    loop {
        let result = attempt(engine, target, ready, ask, number).await?;
        if number == retries {
            return result.map_err(|error| failed(ask, error));
        }
        let provider = Arc::clone(&ready.provider);
        let rules = Rules {
            provider: provider
                .proxy
                .as_ref()
                .and_then(|proxy| proxy.retry.as_ref()),
            retry_on: policy.retry_on,
            hints: policy.hints,
        };
        let now = engine.clock.now();
        let (wait, unauthorized) = match result {
            Err(error) if Rules::retries_failure(&error) => (rules.wait(None, number, now), false),
            Err(error) => return Err(failed(ask, error)),
            Ok(response) if response.status.is_success() => return Ok(response),
            Ok(response) => match weigh(&rules, response, number, now).await? {
                Weighed::Final(response) => return Ok(response),
                Weighed::Again { wait, response } if policy.for_function => {
                    // The refused answer stays at hand: it is the result if the credentials turn out the same.
                    let unauthorized = response.status == http::StatusCode::UNAUTHORIZED;
                    engine.clock.sleep(wait).await;
                    if !renew(engine, target, ready, unauthorized).await? {
                        return Ok(response);
                    }
                    looked_at = engine.clock.monotonic();
                    number += 1;
                    continue;
                }
                Weighed::Again { wait, .. } => (wait, false),
            },
        };
        engine.clock.sleep(wait).await;
        let old = engine.clock.monotonic().saturating_sub(looked_at) > LOOK_AGAIN;
        if old || policy.for_function {
            renew(engine, target, ready, unauthorized).await?;
            looked_at = engine.clock.monotonic();
        }
        number += 1;
    }
}

/// Reads the credentials again. `false` if they are the same although the provider refused them.
async fn renew(
    engine: &Engine,
    target: &ProxyTarget,
    ready: &mut Ready,
    unauthorized: bool,
) -> Result<bool, ProxyError> {
    let connection = read(engine, target).await?;
    let same = connection.credentials.expose() == ready.connection.credentials.expose();
    ready.connection = connection;
    Ok(!(unauthorized && same))
}

async fn attempt(
    engine: &Engine,
    target: &ProxyTarget,
    ready: &Ready,
    ask: &mut Ask,
    number: u32,
) -> Result<Result<EgressResponse, EgressError>, ProxyError> {
    let auth = Auth::of(&ready.connection, &ready.integration_config);
    let moment = Moment {
        now: engine.clock.now(),
        random: engine.ids.uuid4(),
    };
    let nonces = &engine.refreshes.nonces;
    let request = build::request(&ready.provider, &auth, ask, moment, nonces)?;
    let line = Attempt::new(&request, number);
    let started = engine.clock.monotonic();
    let url = auth.dpop_key.map(|_| request.url.clone());
    let mut result = engine.egress.send(request).await;
    // A server that only wants its nonce in the proof has done nothing yet.
    let wants_nonce = match (&url, &result) {
        (Some(url), Ok(response)) => {
            nonces.learn(url, &response.headers)
                && dpop::wants_nonce(response.status, &response.headers)
        }
        _ => false,
    };
    if wants_nonce && !matches!(ask.body, AskBody::Stream(None)) {
        let moment = Moment {
            random: engine.ids.uuid4(),
            ..moment
        };
        let request = build::request(&ready.provider, &auth, ask, moment, nonces)?;
        result = engine.egress.send(request).await;
    }
    let took = engine.clock.monotonic().saturating_sub(started);
    let seen = result.as_ref().map(|response| response.status.as_u16());
    line.ended(
        engine,
        &ready.provider,
        target.operation.as_deref(),
        &ready.connection,
        seen,
        took,
    );
    Ok(result)
}

enum Weighed {
    Final(EgressResponse),
    Again {
        wait: Duration,
        response: EgressResponse,
    },
}

async fn weigh(
    rules: &Rules<'_>,
    mut response: EgressResponse,
    number: u32,
    now: tenon_core::Timestamp,
) -> Result<Weighed, ProxyError> {
    let mut start = bytes::Bytes::new();
    if rules.read_bodies() {
        let body = std::mem::replace(&mut response.body, crate::egress::ResponseBody::empty());
        if let Ok((read, _, body)) = body.peek(limits::PROXY_ERROR_BYTES).await {
            (start, response.body) = (read, body);
        }
    }
    let headers: &HeaderMap = &response.headers;
    let refusal = Refusal {
        status: response.status,
        headers,
        body: &start,
    };
    if !rules.retries(&refusal) {
        return Ok(Weighed::Final(response));
    }
    let wait = rules.wait(Some(&refusal), number, now);
    Ok(Weighed::Again { wait, response })
}

fn failed(ask: &Ask, error: EgressError) -> ProxyError {
    match error {
        EgressError::Refused { .. } => ProxyError::NotAllowed(error),
        // A host that the caller chose and nobody knows; the provider's own host is away, rather.
        EgressError::Resolve { .. } if ask.base_url_override.is_some() => {
            ProxyError::NotAllowed(error)
        }
        EgressError::ClientIdentity(_) => ProxyError::InvalidCertificate(error),
        EgressError::InvalidHeaderName(_)
        | EgressError::InvalidHeaderValue(_)
        | EgressError::HeadersTooLarge { .. } => ProxyError::Header(error),
        EgressError::RequestBody(reason) => ProxyError::Body(reason),
        EgressError::InvalidUrl(_)
        | EgressError::Resolve { .. }
        | EgressError::Transport { .. }
        | EgressError::Timeout(_)
        | EgressError::TooManyRedirects(_)
        | EgressError::InvalidRedirect(_)
        | EgressError::BodyGone
        | EgressError::Protocol(_)
        | EgressError::TooLarge(_)
        | EgressError::Inflates(_)
        | EgressError::Decompress(_) => ProxyError::NoAnswer {
            method: ask.method.clone(),
            source: error,
        },
    }
}
