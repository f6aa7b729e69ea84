//! What follows from a connection that appears, must prove itself, or goes away (scheduler.md, 3 and 6).

use tenon_core::names::{ConnectionPk, EnvironmentPk, IntegrationPk};
use tenon_store::{StoreError, Tx};

use crate::Engine;

/// The keys of a stored connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedConnectionRef {
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    pub connection: ConnectionPk,
}

/// A `validate-connection` function threw.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConnectionRejected {
    /// What the person who connects is shown.
    pub message: String,
}

/// Queues the `post-connection-creation` functions of a new connection and creates its syncs, due now; in the
/// transaction that stores the connection, or, where [`needs_validation`] says so, in the one that confirms it.
pub async fn connection_created(
    _tx: &Tx,
    _engine: &Engine,
    _connection: &SavedConnectionRef,
) -> Result<(), StoreError> {
    unimplemented!()
}

/// Deletes syncs and schedules of a connection and cancels its tasks; in the transaction that deletes the connection.
pub async fn connection_deleted(
    _tx: &Tx,
    _engine: &Engine,
    _connection: &SavedConnectionRef,
) -> Result<(), StoreError> {
    unimplemented!()
}

/// Whether the integration has `validate-connection` functions: the caller then stores the connection, awaits
/// [`validate_connection`], and only afterwards confirms it with [`connection_created`] and the auth webhook.
pub async fn needs_validation(_tx: &Tx, _integration: IntegrationPk) -> Result<bool, StoreError> {
    unimplemented!()
}

/// Runs the `validate-connection` functions one after another. A rejected new connection is to be removed for good, a
/// rejected reconnection is kept and marked as failed; both are the caller's job.
pub async fn validate_connection(
    _engine: &Engine,
    _connection: &SavedConnectionRef,
) -> Result<(), ConnectionRejected> {
    unimplemented!()
}

/// Runs the `pre-connection-deletion` functions one after another; what they throw is logged and stops nothing.
/// Outside any transaction, before the connection is deleted.
pub async fn before_connection_deletion(_engine: &Engine, _connection: &SavedConnectionRef) {
    unimplemented!()
}
