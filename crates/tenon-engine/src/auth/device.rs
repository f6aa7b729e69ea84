//! Device authorization (RFC 8628): for programs without a browser. A person agrees on any other machine, and the engine
//! asks the provider until then, whatever happens to the program or to this node.
//!
//! [`start`] gets the code that the person types, [`DevicePoller`] asks for the token, [`status`] tells how it goes. The
//! end is the end of every flow: connection, webhook and operation commit together with the flow's own state.

mod poll;
mod poller;
mod start;
mod waiting;

pub use poller::DevicePoller;
pub use start::{DeviceError, DeviceGrant, start};

use std::time::Duration;

use tenon_core::names::{ConnectSessionPk, EnvironmentPk};
use tenon_store::{StoreError, device_flows::DeviceFlowRow};

use crate::Engine;

/// How long the end of a flow can be read.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Flows that are forgotten in one transaction.
const PURGED_AT_ONCE: i64 = 500;

/// How a flow is doing: of any session of its environment for a key, of its own for a session.
pub async fn status(
    engine: &Engine,
    environment: EnvironmentPk,
    session: Option<ConnectSessionPk>,
    id: &str,
) -> Result<Option<DeviceFlowRow>, StoreError> {
    let found = engine.reader().find_device_flow(environment, id).await?;
    Ok(found.filter(|flow| session.is_none() || flow.session == session))
}

/// Forgets flows that ended long ago.
pub async fn purge(engine: &Engine) -> Result<u64, StoreError> {
    let before = engine.clock.now().minus(KEPT);
    engine
        .store
        .write(move |tx| async move { tx.purge_device_flows(before, PURGED_AT_ONCE).await })
        .await
}
