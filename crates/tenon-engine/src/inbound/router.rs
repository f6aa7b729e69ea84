//! The loop that takes stored webhooks to functions and to the app.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tenon_core::{
    function::{Cancel, LogLevel},
    limits,
    names::{ConnectionPk, EnvironmentPk},
};
use tenon_providers::{WebhookRouting, webhook::WebhookPayload};
use tenon_store::{
    StoreError, Tx,
    inbound::{InboundRow, Place},
    integrations::IntegrationRow,
    work::functions::FunctionRow,
};
use tracing::{error, warn};

use super::{
    accept::operation,
    plan::{Event, Lookup, events},
    request::Request,
};
use crate::{
    Engine,
    auth::waiting::{self, WaitingError},
    delivery::{self, DeliveryKind, Outgoing},
    operations::OperationState,
    work::incoming::{Arrived, arrived, subscribes, waiting_group},
};

/// Longest time between two looks: another node may have stored something and died.
const POLL: Duration = Duration::from_secs(1);

/// Webhooks of one transaction.
const BATCH: i64 = 64;

/// Connections that webhooks are taken to in one transaction.
const SLICE: i64 = 500;

/// How often to look whether too much waits.
const MEASURE: Duration = Duration::from_secs(1);

/// Tries of a webhook that cannot be routed, before it is given up.
const TRIES: i64 = 12;

/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Before the first connection.
const START: ConnectionPk = ConnectionPk(0);

/// Routes stored webhooks.
pub struct Router {
    engine: Engine,
}

/// A webhook with all that its routing needs, looked up before the transaction.
#[derive(Clone)]
struct Job {
    row: Arc<InboundRow>,
    plan: Arc<Plan>,
}

struct Plan {
    integration: IntegrationRow,
    /// Name of the provider.
    provider: String,
    request: Request,
    events: Vec<Event>,
    /// What the app gets.
    payload: Value,
}

/// What became of a webhook in one transaction.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    runs: u64,
    forwards: u64,
    /// Functions that wanted it on connections without their sync.
    without_sync: u64,
}

impl Router {
    /// A router of this engine. Several nodes may run one each.
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Runs until shutdown.
    pub async fn run(self, shutdown: Cancel) {
        let mut measured = None;
        loop {
            let stored = self.engine.signals.inbound.notified();
            tokio::pin!(stored);
            stored.as_mut().enable();
            let wait = match self.round(&mut measured).await {
                Ok(true) if shutdown.is_raised() => return,
                Ok(true) => continue,
                Ok(false) => self.wait().await,
                Err(error) => {
                    warn!(%error, "could not route webhooks");
                    POLL
                }
            };
            tokio::select! {
                () = shutdown.raised() => return,
                () = stored => {}
                () = self.engine.clock.sleep(wait) => {}
            }
        }
    }

    async fn wait(&self) -> Duration {
        let now = self.engine.clock.now();
        match self.engine.reader().next_inbound().await {
            Ok(Some(next)) => next.since(now).min(POLL),
            Ok(None) | Err(_) => POLL,
        }
    }

    /// Takes what is due a step further; whether there may be more.
    async fn round(&self, measured: &mut Option<Duration>) -> Result<bool, StoreError> {
        let now = self.engine.clock.now();
        let due = self.engine.reader().due_inbound(now, BATCH).await?;
        if due.is_empty() {
            self.engine.work.set_inbound_full(HashSet::new());
            return Ok(false);
        }
        let moment = self.engine.clock.monotonic();
        if measured.is_none_or(|last| moment.saturating_sub(last) >= MEASURE) {
            *measured = Some(moment);
            self.measure(&due).await?;
        }
        let mut jobs = Vec::with_capacity(due.len());
        for row in due {
            match self.plan(&row).await {
                Ok(Some(plan)) => jobs.push(Job {
                    row: Arc::new(row),
                    plan: Arc::new(plan),
                }),
                Ok(None) => self.drop_row(row.pk).await?,
                Err(WaitingError::Store(error)) => return Err(error),
                Err(later @ WaitingError::Later(_)) => self.failed(&row, &later).await?,
            }
        }
        let together = self.route(jobs.clone()).await;
        match together {
            Ok(()) => Ok(true),
            Err(error @ (StoreError::Unavailable(_) | StoreError::DiskFull)) => Err(error),
            Err(_) if jobs.len() > 1 => {
                // One of them is at fault: the others must not wait for it.
                for job in jobs {
                    if let Err(error) = self.route(vec![job.clone()]).await {
                        self.failed(&job.row, &error).await?;
                    }
                }
                Ok(true)
            }
            Err(error) => {
                for job in jobs {
                    self.failed(&job.row, &error).await?;
                }
                Ok(true)
            }
        }
    }

    /// Stops taking webhooks of environments where too much waits.
    async fn measure(&self, due: &[InboundRow]) -> Result<(), StoreError> {
        let environments: HashSet<EnvironmentPk> = due.iter().map(|row| row.environment).collect();
        let limit = limits::INBOUND_WAITING;
        let mut full = HashSet::new();
        for environment in environments {
            let reader = self.engine.reader();
            let (kind, group) = waiting_group(environment);
            if reader.waiting_inbound(environment, limit).await? >= limit
                || reader.waiting_tasks(kind, &group, limit).await? >= limit
            {
                full.insert(environment);
            }
        }
        self.engine.work.set_inbound_full(full);
        Ok(())
    }

    /// Nothing if the integration is gone or its provider has no routing any more.
    async fn plan(&self, row: &InboundRow) -> Result<Option<Plan>, WaitingError> {
        let reader = self.engine.reader();
        let Some(integration) = reader.find_integration_by_pk(row.integration).await? else {
            return Ok(None);
        };
        let catalogue = &self.engine.catalogue;
        let provider = catalogue.find(&integration.provider);
        let routing = provider
            .as_ref()
            .and_then(|provider| catalogue.webhook_routing(provider));
        let request: Option<Request> = serde_json::from_slice(&row.request).ok();
        let Some((routing, request)) = routing.zip(request) else {
            return Ok(None);
        };
        // What it completes is found by its routing, then.
        if let Some(provider) = provider.filter(|provider| waiting::is_awaited(provider))
            && row.place.step == 0
            && row.place.after == START
        {
            waiting::complete(&self.engine, &integration, &provider, &request.body).await?;
        }
        Ok(Some(Plan::new(&routing, integration, request)))
    }

    async fn route(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let engine = self.engine.clone();
        let routed = self
            .engine
            .store
            .write(move |tx| async move {
                let mut routed = Vec::with_capacity(jobs.len());
                let mut left = SLICE;
                for job in jobs {
                    if left <= 0 {
                        break;
                    }
                    if tx.hold_inbound(job.row.pk, job.row.place).await? {
                        let outcome = step(&tx, &engine, &job, &mut left).await?;
                        routed.push((job, outcome));
                    }
                }
                Ok::<_, StoreError>(routed)
            })
            .await?;
        for (job, outcome) in routed {
            self.tell(&job, outcome);
        }
        Ok(())
    }

    fn tell(&self, job: &Job, outcome: Outcome) {
        let mut text = format!(
            "queued {} runs of functions and {} webhooks to the app",
            outcome.runs, outcome.forwards
        );
        if outcome.without_sync > 0 {
            text.push_str("; connections without the sync of a function were left out");
        }
        self.engine.operations.message(
            job.row.environment,
            &job.row.operation,
            LogLevel::Info,
            text,
            None,
        );
    }

    async fn drop_row(&self, pk: i64) -> Result<(), StoreError> {
        self.engine
            .store
            .write(move |tx| async move { tx.delete_inbound(pk).await })
            .await
    }

    /// Puts a webhook that cannot be routed off, and in the end away.
    async fn failed(
        &self,
        row: &InboundRow,
        problem: &(dyn std::error::Error + Sync),
    ) -> Result<(), StoreError> {
        let failures = row.failures + 1;
        error!(inbound = row.pk, failures, error = %problem, "a webhook could not be routed");
        let wait = POLL * (1 << failures.clamp(1, 12));
        let until = self.engine.clock.now().plus(wait.min(LONGEST_WAIT));
        let engine = self.engine.clone();
        let (row, said) = (row.clone(), problem.to_string());
        self.engine
            .store
            .write(move |tx| async move {
                if failures < TRIES {
                    return tx.postpone_inbound(row.pk, row.failures, until).await;
                }
                let given_up = operation(row.environment, "", "given up");
                let id = engine.operations.start(&tx, given_up).await?;
                engine
                    .operations
                    .set(&tx, &id, OperationState::Failed, Some(&said))
                    .await?;
                tx.delete_inbound(row.pk).await
            })
            .await
    }
}

impl Plan {
    fn new(routing: &WebhookRouting, integration: IntegrationRow, request: Request) -> Self {
        Self {
            events: events(routing, &request),
            payload: match routing.payload {
                WebhookPayload::Body => request.body.clone(),
                WebhookPayload::Headers => request.headers_object(),
            },
            provider: integration.provider.clone(),
            integration,
            request,
        }
    }

    /// What stands in the title of the operation.
    fn title(&self) -> String {
        let kind = self.events.iter().find_map(|event| event.kind.as_deref());
        let kind: String = kind
            .unwrap_or("without a type")
            .chars()
            .filter(|letter| !letter.is_control())
            .take(100)
            .collect();
        format!("`{kind}`")
    }
}

/// Takes a webhook further, to at most `left` connections: through its events one after another, then to the app.
async fn step(tx: &Tx, engine: &Engine, job: &Job, left: &mut i64) -> Result<Outcome, StoreError> {
    let (row, plan) = (&job.row, &job.plan);
    let mut place = row.place;
    if place.step == 0 && place.after == START {
        let new = operation(row.environment, &plan.integration.unique_key, &plan.title());
        engine.operations.start_as(tx, &row.operation, new).await?;
    }
    let functions = tx.functions_of_integration(plan.integration.pk).await?;
    let mut outcome = Outcome::default();
    while let Some(event) = usize::try_from(place.step)
        .ok()
        .and_then(|step| plan.events.get(step))
    {
        let wanted: Vec<&FunctionRow> = functions
            .iter()
            .filter(|function| subscribes(function, event.kind.as_deref()))
            .collect();
        let connections = if wanted.is_empty() {
            Vec::new()
        } else {
            found(tx, plan, &event.connections, place.after, *left).await?
        };
        run_functions(tx, engine, job, event, &wanted, &connections, &mut outcome).await?;
        if let Some(after) = cut(&connections, left) {
            tx.advance_inbound(row.pk, Place { after, ..place }).await?;
            return Ok(outcome);
        }
        place = Place {
            step: place.step + 1,
            after: START,
        };
    }
    if plan.integration.forward_webhooks {
        let connections = all_found(tx, plan, place.after, *left).await?;
        let nobody = connections.is_empty() && place.after == START;
        for connection in nobody
            .then_some(None)
            .into_iter()
            .chain(connections.iter().map(Some))
        {
            forward(tx, engine, job, connection).await?;
            outcome.forwards += 1;
        }
        if let Some(after) = cut(&connections, left) {
            tx.advance_inbound(row.pk, Place { after, ..place }).await?;
            return Ok(outcome);
        }
    }
    tx.delete_inbound(row.pk).await?;
    engine
        .operations
        .set(tx, &row.operation, OperationState::Success, None)
        .await?;
    Ok(outcome)
}

/// Counts connections that were done. If there may be more of them than were left to do, where to go on.
fn cut(connections: &[(ConnectionPk, String)], left: &mut i64) -> Option<ConnectionPk> {
    *left -= i64::try_from(connections.len()).unwrap_or(i64::MAX);
    let (last, _) = connections.last()?;
    (*left <= 0).then_some(*last)
}

async fn run_functions(
    tx: &Tx,
    engine: &Engine,
    job: &Job,
    event: &Event,
    functions: &[&FunctionRow],
    connections: &[(ConnectionPk, String)],
    outcome: &mut Outcome,
) -> Result<(), StoreError> {
    for function in functions {
        for (connection, connection_id) in connections {
            let new = Arrived {
                environment: job.row.environment,
                integration_key: &job.plan.integration.unique_key,
                connection: *connection,
                connection_id,
                payload: &event.payload,
                operation: &job.row.operation,
            };
            if arrived(tx, engine, function, &new).await? {
                outcome.runs += 1;
            } else {
                outcome.without_sync += 1;
            }
        }
    }
    Ok(())
}

/// Connections behind `after` of the first lookup that finds any.
async fn found(
    tx: &Tx,
    plan: &Plan,
    lookups: &[Lookup],
    after: ConnectionPk,
    limit: i64,
) -> Result<Vec<(ConnectionPk, String)>, StoreError> {
    let (environment, integration) = (plan.integration.environment, plan.integration.pk);
    for lookup in lookups {
        let first = tx
            .connections_by(environment, integration, lookup.by(), START, 1)
            .await?;
        if !first.is_empty() {
            return tx
                .connections_by(environment, integration, lookup.by(), after, limit)
                .await;
        }
    }
    Ok(Vec::new())
}

/// Connections behind `after` that any event is for.
async fn all_found(
    tx: &Tx,
    plan: &Plan,
    after: ConnectionPk,
    limit: i64,
) -> Result<Vec<(ConnectionPk, String)>, StoreError> {
    let mut seen: Vec<&[Lookup]> = Vec::new();
    let mut connections = Vec::new();
    for event in &plan.events {
        if !seen.contains(&event.connections.as_slice()) {
            seen.push(&event.connections);
            connections.extend(found(tx, plan, &event.connections, after, limit).await?);
        }
    }
    connections.sort();
    connections.dedup();
    connections.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(connections)
}

/// Tells the app, in an envelope that names the connection, or without one (webhooks.md, 1.6).
async fn forward(
    tx: &Tx,
    engine: &Engine,
    job: &Job,
    connection: Option<&(ConnectionPk, String)>,
) -> Result<(), StoreError> {
    let plan = &job.plan;
    let body = match connection {
        Some((_, connection_id)) => json!({
            "from": plan.provider,
            "type": "forward",
            "providerConfigKey": plan.integration.unique_key,
            "connectionId": connection_id,
            "payload": plan.payload,
        }),
        None => plan.payload.clone(),
    };
    let outgoing = Outgoing {
        headers: plan.request.forwarded_headers(),
        operation: Some(job.row.operation.clone()),
        ..Outgoing::new(
            job.row.environment,
            connection.map(|(pk, _)| *pk),
            DeliveryKind::Forward,
            body,
        )
    };
    delivery::enqueue(tx, engine, outgoing).await.map(|_| ())
}
