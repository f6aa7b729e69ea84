//! One attempt to renew credentials, alone over all nodes (DESIGN, 6).
//!
//! The lease is claimed, and what is about to be sent is noted, in one commit before the request leaves; outcome, lease
//! and everything that follows are one commit after it. Whoever lost the lease writes nothing.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tenon_core::{Timestamp, names::ConnectionPk};
use tenon_store::{
    StoreError, Tx,
    auth::{FailedRefresh, StoredRefresh},
    connections::ConnectionRow,
};

use super::{RefreshError, lanes::Lane, learn, load::Loaded, rules};
use crate::{
    Engine,
    auth::{
        issue::{self, Issued, Party},
        request::{self, Reached, TokenFailure},
    },
    connections::{AuthFailure, AuthOperation, announce_failure},
    operations::{NewOperation, OperationKind, OperationState},
};

/// How long one node may take for one refresh: the longest request and a good deal more.
const LEASE: Duration = Duration::from_secs(request::TIMEOUT.as_secs() + 30);

/// Longest time from the first request to the last answer; several steps share it.
const EXCHANGE: Duration = Duration::from_secs(request::TIMEOUT.as_secs() + 5);

/// How often somebody who waits for another node looks.
const LOOK: Duration = Duration::from_millis(200);

/// How long somebody waits for another node.
const WAIT: Duration = Duration::from_secs(request::TIMEOUT.as_secs() + 40);

/// A failure of the attempt itself, shared by everybody who waits for it.
#[derive(Clone, Debug)]
pub(super) enum AttemptError {
    Refresh(RefreshError),
    /// What the store said.
    Store(Arc<StoreError>),
}

impl From<StoreError> for AttemptError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<RefreshError> for AttemptError {
    fn from(error: RefreshError) -> Self {
        Self::Refresh(error)
    }
}

/// What somebody wants, and what they had seen when they did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub connection: ConnectionPk,
    pub forced: bool,
    pub seen_version: i64,
    pub seen_failure: Option<Timestamp>,
}

/// Renews the credentials of a connection if that is (still) due. Waits for its turn at the provider, and for another
/// node that is at it.
pub(super) async fn run(engine: Engine, wish: Wish, lane: Lane) -> Result<(), AttemptError> {
    let began = engine.clock.monotonic();
    let waited = || engine.clock.monotonic().saturating_sub(began);
    loop {
        let turn = tokio::select! {
            turn = lane.turn() => turn,
            () = engine.clock.sleep(WAIT.saturating_sub(waited())) => {
                return Err(RefreshError::Busy.into());
            }
        };
        match begin(&engine, wish).await? {
            Begin::NothingToDo => return Ok(()),
            Begin::Refused(error) => return Err(error.into()),
            Begin::Held if waited() > WAIT => return Err(RefreshError::Busy.into()),
            Begin::Held => {
                drop(turn);
                engine.clock.sleep(LOOK).await;
            }
            Begin::Mine(work) => return exchange(&engine, *work, &lane).await,
        }
    }
}

/// What the store allows.
enum Begin {
    NothingToDo,
    Refused(RefreshError),
    /// Somebody else holds the lease.
    Held,
    Mine(Box<Work>),
}

/// A refresh that may be sent.
struct Work {
    loaded: Loaded,
    fence: i64,
    /// The refresh token was sent before, by somebody who did not live to tell the outcome.
    is_second_try: bool,
    claimed: Duration,
}

async fn begin(engine: &Engine, wish: Wish) -> Result<Begin, StoreError> {
    let inner = engine.clone();
    engine
        .store
        .write(move |tx| async move { claim(&tx, &inner, wish).await })
        .await
}

async fn claim(tx: &Tx, engine: &Engine, wish: Wish) -> Result<Begin, StoreError> {
    let connection = wish.connection;
    let now = engine.clock.now();
    let claimed = engine.clock.monotonic();
    let node = &engine.settings.node;
    // First the lease, then the look: what another node stored before letting go must be seen.
    let Some(lease) = tx
        .claim_refresh_lease(connection, node, now, now.plus(LEASE))
        .await?
    else {
        return Ok(Begin::Held);
    };
    let fence = lease.fence;
    let Some(loaded) = load(tx, engine, connection).await? else {
        tx.release_refresh_lease(connection, fence).await?;
        return Ok(Begin::NothingToDo);
    };
    if let Some(decided) = decide(&loaded, wish, lease.cool_until, now) {
        tx.release_refresh_lease(connection, fence).await?;
        return Ok(decided);
    }
    let mut is_second_try = false;
    if let Some(fingerprint) = fingerprint(engine, &loaded) {
        let is_same_token = lease.intent.as_deref() == Some(fingerprint.as_slice());
        if is_same_token && lease.intent_retried {
            lose(tx, engine, &loaded.row, fence, now).await?;
            return Ok(Begin::Refused(RefreshError::OutcomeLost));
        }
        is_second_try = is_same_token;
        tx.intend_refresh(connection, fence, &fingerprint, is_second_try, now)
            .await?;
    }
    Ok(Begin::Mine(Box::new(Work {
        loaded,
        fence,
        is_second_try,
        claimed,
    })))
}

async fn load(
    tx: &Tx,
    engine: &Engine,
    connection: ConnectionPk,
) -> Result<Option<Loaded>, StoreError> {
    let Some(row) = tx.find_connection_by_pk(connection).await? else {
        return Ok(None);
    };
    let Some(integration) = tx.find_integration_by_pk(row.integration).await? else {
        return Ok(None);
    };
    let credentials = tx.open_credentials(&row).await?;
    Ok(Loaded::new(engine, row, Arc::new(integration), credentials))
}

/// What is to be done without asking the provider; `None`: ask it.
fn decide(
    loaded: &Loaded,
    wish: Wish,
    cool_until: Option<Timestamp>,
    now: Timestamp,
) -> Option<Begin> {
    let row = &loaded.row;
    if row.auth_error.as_deref() == Some(rules::OUTCOME_LOST) {
        return Some(Begin::Refused(RefreshError::OutcomeLost));
    }
    // Somebody else was quicker: their result is ours, success or failure.
    let has_succeeded = wish.forced && row.credentials_version != wish.seen_version;
    if has_succeeded || !loaded.is_due(wish.forced, now) {
        return Some(Begin::NothingToDo);
    }
    let has_failed =
        row.last_refresh_failure.is_some() && row.last_refresh_failure != wish.seen_failure;
    if wish.forced && !has_failed {
        return None;
    }
    if row.refresh_exhausted && !wish.forced {
        return Some(Begin::Refused(RefreshError::Exhausted));
    }
    let wait = rules::pause(row, cool_until, now)?;
    Some(Begin::Refused(RefreshError::BackOff { wait }))
}

/// What is spent by a refresh, if something is: asking twice with the same token is then not harmless.
fn fingerprint(engine: &Engine, loaded: &Loaded) -> Option<Vec<u8>> {
    let token = loaded.credentials.get("refresh_token")?.as_str()?;
    Some(
        engine
            .store
            .index_hash("refresh_intent", token.as_bytes())
            .to_vec(),
    )
}

async fn exchange(engine: &Engine, work: Work, lane: &Lane) -> Result<(), AttemptError> {
    let config = work.loaded.connection_config()?;
    let held = engine.clock.monotonic().saturating_sub(work.claimed);
    if held + EXCHANGE > LEASE {
        // We were stopped for long: somebody else may be at it by the time this would arrive.
        release(engine, work.loaded.row.pk, work.fence).await?;
        return Err(RefreshError::Busy.into());
    }
    let party = Party {
        engine,
        provider: &work.loaded.provider,
        integration: &work.loaded.integration,
        connection_config: &config,
    };
    let asked = tokio::select! {
        asked = issue::renew(party, work.loaded.mode, &work.loaded.credentials) => asked,
        () = engine.clock.sleep(EXCHANGE) => Err(TokenFailure {
            reached: Reached::Unknown,
            ..TokenFailure::ours("timeout", "the provider did not answer in time")
        }),
    };
    if let Err(failure) = &asked
        && let Some(wait) = failure.retry_after
    {
        lane.rest_until(engine.clock.monotonic() + wait);
    }
    let (inner, work) = (engine.clone(), Arc::new(work));
    let renewed = asked.as_ref().ok().cloned();
    let ended = Arc::clone(&work);
    let written = engine
        .store
        .write(move |tx| async move {
            match asked {
                Ok(issued) => succeed(&tx, &inner, &ended, issued).await.map(Ok),
                Err(failure) => fail(&tx, &inner, &ended, &failure).await.map(Err),
            }
        })
        .await;
    match written {
        Ok(Ok(())) => {
            if let Some(issued) = renewed {
                learn::learn(engine, &work.loaded, &issued).await;
            }
            Ok(())
        }
        Ok(Err(error)) => Err(error.into()),
        Err(error) => Err(AttemptError::from(error)),
    }
}

async fn release(engine: &Engine, connection: ConnectionPk, fence: i64) -> Result<(), StoreError> {
    engine
        .store
        .write(move |tx| async move {
            tx.end_refresh_lease(connection, fence, None)
                .await
                .map(|_| ())
        })
        .await
}

async fn succeed(tx: &Tx, engine: &Engine, work: &Work, issued: Issued) -> Result<(), StoreError> {
    let (row, now) = (&work.loaded.row, engine.clock.now());
    if !tx.end_refresh_lease(row.pk, work.fence, None).await? {
        tracing::warn!(
            connection.pk = row.pk.0,
            "a refresh ended after its lease; its result is dropped"
        );
        return Ok(());
    }
    let refresh = StoredRefresh {
        connection: row,
        credentials: &issued.credentials,
        expires_at: issued.expires_at,
        now,
    };
    if !tx.store_refresh(&refresh).await? {
        // Authorised again meanwhile: those credentials are newer.
        return Ok(());
    }
    if !issued.connection_config.is_empty() {
        let mut config: Value = serde_json::from_str(&row.connection_config).unwrap_or_default();
        if let Some(config) = config.as_object_mut() {
            config.extend(issued.connection_config);
        }
        tx.set_connection_config(row, &config, now).await?;
    }
    log(tx, engine, row, None).await.map(|_| ())
}

async fn fail(
    tx: &Tx,
    engine: &Engine,
    work: &Work,
    failure: &TokenFailure,
) -> Result<RefreshError, StoreError> {
    let (row, now) = (&work.loaded.row, engine.clock.now());
    if work.is_second_try && failure.cause == "invalid_grant" {
        lose(tx, engine, row, work.fence, now).await?;
        return Ok(RefreshError::OutcomeLost);
    }
    let cool_until = failure.retry_after.map(|wait| now.plus(wait));
    let is_ours = match failure.reached {
        Reached::Unknown => {
            tx.end_refresh_lease_unknown(row.pk, work.fence, cool_until)
                .await?
        }
        // The provider is alive and has not taken the token: what an earlier holder began is still open.
        Reached::No | Reached::Yes if work.is_second_try && failure.is_transient() => {
            tx.end_refresh_lease_unknown(row.pk, work.fence, cool_until)
                .await?
        }
        Reached::No | Reached::Yes => tx.end_refresh_lease(row.pk, work.fence, cool_until).await?,
    };
    let error = RefreshError::Provider {
        cause: failure.cause.clone(),
        reason: failure.reason.clone(),
        status: failure.status,
        is_transient: failure.is_transient(),
    };
    if !is_ours {
        return Ok(error);
    }
    if failure.is_transient() && rules::is_usable(row, now) {
        tx.pause_refresh(row.pk, row.credentials_version, now)
            .await?;
        log(tx, engine, row, Some(&failure.reason)).await?;
        return Ok(error);
    }
    let (attempts, exhausted) = rules::count_failure(row, failure.is_transient(), now);
    let cause = match &row.auth_error {
        // What the provider refused stays refused while it is away.
        Some(before) if failure.is_transient() && !rules::is_outage(before) => before.clone(),
        _ => rules::stored_cause(&failure.cause, failure.is_transient()),
    };
    record(
        tx,
        engine,
        row,
        &cause,
        &failure.reason,
        (attempts, exhausted),
        now,
    )
    .await?;
    Ok(error)
}

/// The state in which only a new authorization helps.
async fn lose(
    tx: &Tx,
    engine: &Engine,
    row: &ConnectionRow,
    fence: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !tx.end_refresh_lease(row.pk, fence, None).await? {
        return Ok(());
    }
    let (attempts, _) = rules::count_failure(row, false, now);
    let reason = RefreshError::OutcomeLost.to_string();
    record(
        tx,
        engine,
        row,
        rules::OUTCOME_LOST,
        &reason,
        (attempts, true),
        now,
    )
    .await
}

/// Marks the connection and tells the app, if that is news: it worked until now, or only its provider was away.
async fn record(
    tx: &Tx,
    engine: &Engine,
    row: &ConnectionRow,
    cause: &str,
    reason: &str,
    (attempts, exhausted): (i64, bool),
    now: Timestamp,
) -> Result<(), StoreError> {
    let log_id = log(tx, engine, row, Some(reason)).await?;
    let failed = FailedRefresh {
        pk: row.pk,
        version: row.credentials_version,
        attempts,
        exhausted,
        cause,
        log_id: &log_id,
        now,
    };
    let was_refused = row
        .auth_error
        .as_deref()
        .is_some_and(|before| !rules::is_outage(before) || rules::is_outage(cause));
    let is_news = tx.fail_refresh(&failed).await? && !was_refused;
    if !is_news {
        return Ok(());
    }
    let tags: Value = serde_json::from_str(&row.tags).unwrap_or_default();
    let announced = AuthFailure {
        environment: row.environment,
        connection_id: &row.connection_id,
        integration_key: &row.integration_key,
        provider: &row.provider,
        auth_mode: &row.auth_mode,
        operation: AuthOperation::Refresh,
        tags: Some(&tags),
        end_user: None,
        error: ("refresh_token_external_error", reason),
        log: Some(&log_id),
        connection: Some(row.pk),
    };
    announce_failure(tx, engine, &announced).await
}

/// The operation that explains this attempt.
async fn log(
    tx: &Tx,
    engine: &Engine,
    row: &ConnectionRow,
    error: Option<&str>,
) -> Result<String, StoreError> {
    let new = NewOperation::new(row.environment, OperationKind::Auth, "refresh credentials").about(
        &row.integration_key,
        &row.connection_id,
        Some(row.pk),
    );
    let id = engine.operations.start(tx, new).await?;
    let state = match error {
        None => OperationState::Success,
        Some(_) => OperationState::Failed,
    };
    engine.operations.set(tx, &id, state, error).await?;
    Ok(id)
}
