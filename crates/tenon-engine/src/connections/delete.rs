//! Deleting connections.

use tenon_core::names::EnvironmentPk;
use tenon_store::{StoreError, Tx, connections::ConnectionRow};

use super::{change::ChangeError, save::reference};
use crate::{
    Engine,
    operations::{NewOperation, OperationKind, OperationState},
    revocation::{self, Reason},
    work,
};

/// Deletes a connection: its `pre-connection-deletion` functions run first, then it, its syncs and its schedules go in
/// one transaction, which also stores what its provider is to be told. Its records follow in the background. No webhook
/// is sent.
pub async fn delete(
    engine: &Engine,
    environment: EnvironmentPk,
    integration: &str,
    connection: &str,
) -> Result<(), ChangeError> {
    let unknown = || ChangeError::UnknownConnection {
        connection: connection.to_owned(),
        integration: integration.to_owned(),
    };
    let found = engine
        .reader()
        .find_connection(environment, integration, connection)
        .await?;
    let row = found.ok_or_else(unknown)?;
    work::before_connection_deletion(engine, &reference(&row)).await;
    let (inner, row) = (engine.clone(), row);
    let deleted = engine
        .store
        .write(move |tx| async move { delete_in(&tx, &inner, &row).await })
        .await?;
    if deleted { Ok(()) } else { Err(unknown()) }
}

/// Deletes a connection in the caller's transaction; whether it was still there.
pub async fn delete_in(
    tx: &Tx,
    engine: &Engine,
    connection: &ConnectionRow,
) -> Result<bool, StoreError> {
    delete_for(tx, engine, connection, Reason::Deleted).await
}

/// Like [`delete_in`], for a certain reason: it stands in the proof of what the provider was told.
pub async fn delete_for(
    tx: &Tx,
    engine: &Engine,
    connection: &ConnectionRow,
    reason: Reason,
) -> Result<bool, StoreError> {
    if !tx
        .delete_connection(connection.pk, engine.clock.now())
        .await?
    {
        return Ok(false);
    }
    revocation::enqueue_in(tx, engine, connection, reason).await?;
    work::connection_deleted(tx, engine, &reference(connection)).await?;
    let operation = NewOperation {
        state: OperationState::Success,
        ..NewOperation::new(
            connection.environment,
            OperationKind::Admin,
            "connection deleted",
        )
        .about(
            &connection.integration_key,
            &connection.connection_id,
            Some(connection.pk),
        )
    };
    engine.operations.start(tx, operation).await?;
    Ok(true)
}
