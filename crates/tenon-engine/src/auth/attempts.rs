//! What a connect session remembers of its latest attempt. A page that was reloaded, closed or cut off asks here, so
//! that it shows the true end of a flow whatever happened to the socket (connect-ui-and-dashboard.md, B3.2).

use tenon_store::{
    StoreError, Tx,
    connect_attempts::{AttemptKey, ConnectAttemptRow},
    connect_sessions::ConnectSessionRow,
};

use super::conclude::Flow;
use crate::Engine;

/// The latest attempt of a session.
pub async fn latest(
    engine: &Engine,
    session: &ConnectSessionRow,
) -> Result<Option<ConnectAttemptRow>, StoreError> {
    engine.reader().find_connect_attempt(session.pk).await
}

/// The application has heard how the latest attempt of a session ended: no other page has to tell it again.
pub async fn told(engine: &Engine, session: &ConnectSessionRow) -> Result<(), StoreError> {
    let pk = session.pk;
    engine
        .store
        .write(move |tx| async move { tx.tell_connect_attempt(pk).await })
        .await
}

/// A flow that brought a connection, in the transaction that stores it.
pub(super) async fn connected(tx: &Tx, engine: &Engine, flow: &Flow) -> Result<(), StoreError> {
    let Some(attempt) = key(flow) else {
        return Ok(());
    };
    let (integration, connection) = (&flow.integration.unique_key, flow.connection_id.as_str());
    tx.end_connect_attempt(attempt, integration, connection, engine.clock.now())
        .await
}

/// A flow that brought none.
pub(super) async fn failed(
    tx: &Tx,
    engine: &Engine,
    flow: &Flow,
    kind: &str,
    message: &str,
) -> Result<(), StoreError> {
    let Some(attempt) = key(flow) else {
        return Ok(());
    };
    tx.fail_connect_attempt(attempt, kind, message, engine.clock.now())
        .await
        .map(|_| ())
}

fn key(flow: &Flow) -> Option<AttemptKey<'_>> {
    Some(AttemptKey {
        session: flow.session.as_ref()?.pk,
        operation_id: flow.operation_id.as_deref(),
    })
}
