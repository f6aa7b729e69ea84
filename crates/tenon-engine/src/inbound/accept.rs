//! What a provider waits for: its request is checked and stored.

use serde_json::{Map, Value};
use tenon_core::{
    function::LogLevel,
    names::{ConnectionPk, EnvironmentPk},
};
use tenon_providers::{
    WebhookRouting,
    webhook::{RequiredConnection, SignatureKey, WebhookAnswer},
};
use tenon_store::{StoreError, inbound::NewInbound, integrations::IntegrationRow};
use tracing::warn;

use super::{
    fetched_key,
    plan::{list, lookups},
    request::{Incoming, Request},
    signature::{Keys, Verdict, check},
    source::{decoded, holds, text},
};
use crate::{
    Engine,
    operations::{NewOperation, OperationKind, OperationState},
};

/// What the provider is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// Webhooks of this provider are not routed: nothing follows.
    Unrouted,
    Stored,
    /// A handshake, or an answer that the provider asks for.
    Own(OwnAnswer),
}

/// A body that provider data describes.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnAnswer {
    Empty,
    Text(String),
    Json(Value),
}

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is no such environment")]
    UnknownEnvironment,
    #[error("there is no such integration")]
    UnknownIntegration,
    #[error("webhooks come by POST")]
    Method,
    #[error("Missing webhook signature")]
    MissingSignature,
    #[error("Invalid webhook signature")]
    InvalidSignature,
    #[error("Missing connection id")]
    MissingConnection,
    #[error("Missing webhook token")]
    MissingToken,
    #[error("too much waits already; send it again later")]
    Full,
    #[error("store failed while taking a webhook")]
    Store(#[from] StoreError),
}

/// Where a provider is to send webhooks of an integration; nothing if they cannot be routed.
pub fn address(
    engine: &Engine,
    environment_uuid: &str,
    integration: &IntegrationRow,
) -> Option<String> {
    let provider = engine.catalogue.find(&integration.provider)?;
    provider.takes_webhooks().then(|| {
        let base = &engine.settings.public_url;
        format!(
            "{base}/webhook/{environment_uuid}/{}",
            integration.unique_key
        )
    })
}

/// Checks a request and stores it; what follows from it is the [`Router`](super::Router)'s job.
pub async fn accept(
    engine: &Engine,
    environment_uuid: &str,
    integration_key: &str,
    mut incoming: Incoming,
) -> Result<Accepted, Refused> {
    let reader = engine.reader();
    let environment = reader
        .find_environment_by_uuid(environment_uuid)
        .await?
        .ok_or(Refused::UnknownEnvironment)?;
    let integration = reader
        .find_integration(environment.pk, integration_key)
        .await?
        .ok_or(Refused::UnknownIntegration)?;
    let provider = engine.catalogue.find(&integration.provider);
    let routing = provider.and_then(|provider| engine.catalogue.webhook_routing(&provider));
    let Some(routing) = routing else {
        return Ok(Accepted::Unrouted);
    };
    if let Some(body) = routing
        .decode
        .as_ref()
        .and_then(|decode| decoded(decode, &incoming.request.body))
    {
        incoming.request.body = body;
    }
    let own = routing
        .answers
        .iter()
        .find(|answer| is_meant(answer, &incoming))
        .map(|answer| (answer.route, answer_of(answer, &incoming.request)));
    if let Some((false, answer)) = own {
        return Ok(Accepted::Own(answer));
    }
    if incoming.method != "POST" {
        return Err(Refused::Method);
    }
    prove(engine, &routing, &integration, &incoming).await?;
    if engine.work.is_inbound_full(environment.pk) {
        return Err(Refused::Full);
    }
    store(engine, &integration, &incoming.request).await?;
    Ok(own.map_or(Accepted::Stored, |(_, answer)| Accepted::Own(answer)))
}

fn is_meant(answer: &WebhookAnswer, incoming: &Incoming) -> bool {
    let request = &incoming.request;
    answer.method == incoming.method && holds(&answer.when, request, &request.body)
}

fn answer_of(answer: &WebhookAnswer, request: &Request) -> OwnAnswer {
    let said = |source| text(source, request, &request.body).unwrap_or_default();
    if let Some(source) = &answer.text {
        return OwnAnswer::Text(said(source));
    }
    if answer.json.is_empty() {
        return OwnAnswer::Empty;
    }
    let object: Map<String, Value> = answer
        .json
        .iter()
        .map(|(name, source)| (name.clone(), Value::from(said(source))))
        .collect();
    OwnAnswer::Json(Value::Object(object))
}

/// Refuses what does not prove where it comes from, or does not say whom it is for where it must.
async fn prove(
    engine: &Engine,
    routing: &WebhookRouting,
    integration: &IntegrationRow,
    incoming: &Incoming,
) -> Result<(), Refused> {
    let request = &incoming.request;
    if let Some(required) = routing.connection.required
        && lookups(&routing.connection, request, &request.body).is_empty()
    {
        return Err(match required {
            RequiredConnection::BadRequest => Refused::MissingConnection,
            RequiredConnection::Unauthorized => Refused::MissingToken,
        });
    }
    let Some(rule) = &routing.signature else {
        return Ok(());
    };
    let whole = [&request.body];
    let events = routing.events.as_ref().map(|rule| list(rule, request));
    let events = events.as_deref().unwrap_or(&whole);
    let by_connection = |key: &SignatureKey| matches!(key, SignatureKey::Metadata(_));
    let metadata = if rule
        .schemes
        .iter()
        .any(|scheme| scheme.key.iter().any(by_connection))
    {
        metadata_of(engine, routing, integration, request, events).await?
    } else {
        None
    };
    let fetched = fetched_key::of(engine, rule, request).await;
    let keys = Keys {
        integration,
        metadata: metadata.as_ref(),
        fetched: fetched.as_ref(),
    };
    match check(rule, incoming, events, &keys, engine.clock.now()) {
        Verdict::Good => Ok(()),
        Verdict::Logged => {
            warn!(integration = %integration.unique_key, "a webhook with a wrong signature was let through");
            Ok(())
        }
        Verdict::Missing => {
            explain(engine, integration, "it carries no signature").await?;
            Err(Refused::MissingSignature)
        }
        Verdict::Wrong(wrong) => {
            let reason = format!("its signature is wrong: {}", wrong.reason());
            explain(engine, integration, &reason).await?;
            Err(Refused::InvalidSignature)
        }
    }
}

/// Metadata of the first connection that a request is for.
async fn metadata_of(
    engine: &Engine,
    routing: &WebhookRouting,
    integration: &IntegrationRow,
    request: &Request,
    events: &[&Value],
) -> Result<Option<Value>, StoreError> {
    let Some(event) = events.first() else {
        return Ok(None);
    };
    let reader = engine.reader();
    for lookup in lookups(&routing.connection, request, event) {
        let found = reader
            .connections_by(
                integration.environment,
                integration.pk,
                lookup.by(),
                ConnectionPk(0),
                1,
            )
            .await?;
        if let Some((connection, _)) = found.first() {
            let connection = reader.find_connection_by_pk(*connection).await?;
            let metadata = connection.and_then(|connection| connection.metadata);
            return Ok(metadata.and_then(|text| serde_json::from_str(&text).ok()));
        }
    }
    Ok(None)
}

/// Tells the owner of an integration why its webhooks are refused. Once a minute: strangers must not fill the log.
async fn explain(
    engine: &Engine,
    integration: &IntegrationRow,
    reason: &str,
) -> Result<(), StoreError> {
    let now = engine.clock.now();
    if !engine.work.note_refusal(integration.pk, now) {
        return Ok(());
    }
    let id = engine.ids.uuid7().to_string();
    let new = operation(integration.environment, &integration.unique_key, "refused");
    let (inner, stored, said) = (engine.clone(), id.clone(), reason.to_owned());
    engine
        .store
        .write(move |tx| async move {
            inner.operations.start_as(&tx, &stored, new).await?;
            inner
                .operations
                .set(&tx, &stored, OperationState::Failed, Some(&said))
                .await
        })
        .await?;
    let text = format!("a webhook was refused: {reason}");
    engine
        .operations
        .message(integration.environment, &id, LogLevel::Error, text, None);
    Ok(())
}

/// The operation of a request, under whose title it is found.
pub(super) fn operation(
    environment: EnvironmentPk,
    integration_key: &str,
    what: &str,
) -> NewOperation {
    let title = format!("incoming webhook: {what}");
    NewOperation {
        integration: Some(integration_key.to_owned()),
        ..NewOperation::new(environment, OperationKind::Webhook, title)
    }
}

async fn store(
    engine: &Engine,
    integration: &IntegrationRow,
    request: &Request,
) -> Result<(), StoreError> {
    let new = NewInbound {
        pk: engine.ids.int(),
        environment: integration.environment,
        integration: integration.pk,
        request: serde_json::to_vec(request)
            .expect("a request is plain data with text keys")
            .into(),
        operation: engine.ids.uuid7().to_string(),
        created_at: engine.clock.now(),
    };
    let signals = std::sync::Arc::clone(&engine.signals);
    engine
        .store
        .write(move |tx| async move {
            tx.insert_inbound(&new).await?;
            tx.after_commit(move || signals.inbound.notify_one());
            Ok(())
        })
        .await
}
