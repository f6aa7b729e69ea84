//! The loop that touches every token at least daily (auth-and-proxy.md, 7), and sweeps up after flows.

use std::time::Duration;

use futures::{StreamExt, stream};
use tenon_core::{
    Timestamp,
    function::Cancel,
    names::{ConnectionId, ConnectionPk, IntegrationKey},
};
use tenon_store::{StoreError, auth::IdleConnection};

use super::{
    device, flow,
    refresh::{self, Stamper},
};
use crate::Engine;

/// Time between two sweeps.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// A connection that nobody fetched for this long is looked at, and some of them a good deal earlier: connections that
/// came together are not kept alive together.
const IDLE: Duration = Duration::from_secs(24 * 3600);

/// How much earlier at most.
const SPREAD: Duration = Duration::from_secs(4 * 3600);

/// Connections read at once.
const BATCH: i64 = 100;

/// Refreshes at a time: idle tokens must not crowd out those that somebody waits for.
const AT_ONCE: usize = 4;

/// Refreshes connections that nobody has fetched for a day, spread over time.
pub struct Refresher {
    pub engine: Engine,
}

impl Refresher {
    /// Runs until the flag goes up; may be killed at any line.
    pub async fn run(self, shutdown: Cancel) {
        // Nodes that start together must not sweep together.
        let mut pause = self.jitter(EVERY);
        loop {
            tokio::select! {
                () = shutdown.raised() => return,
                () = self.engine.clock.sleep(pause) => {}
            }
            tokio::select! {
                () = shutdown.raised() => return,
                () = self.sweep() => {}
            }
            pause = EVERY / 2 + self.jitter(EVERY);
        }
    }

    async fn sweep(&self) {
        loop {
            match flow::purge(&self.engine).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("could not end abandoned flows: {error}");
                    break;
                }
            }
        }
        if let Err(error) = device::purge(&self.engine).await {
            tracing::warn!("could not forget old device flows: {error}");
        }
        if let Err(error) = self.touch_idle().await {
            tracing::warn!("could not look for idle connections: {error}");
        }
    }

    /// Touches every connection that has been idle for a day; returns how many.
    pub async fn touch_idle(&self) -> Result<usize, StoreError> {
        let stamper = Stamper {
            engine: self.engine.clone(),
        };
        stamper.store().await?;
        let before = self.engine.clock.now().minus(IDLE);
        let (mut after, mut touched) = (ConnectionPk(i64::MIN), 0);
        loop {
            let idle = self.list(before, after).await?;
            let Some(last) = idle.last() else {
                return Ok(touched);
            };
            after = last.pk;
            touched += idle.len();
            stream::iter(idle)
                .for_each_concurrent(AT_ONCE, |connection| self.touch(connection))
                .await;
            stamper.store().await?;
        }
    }

    async fn list(
        &self,
        before: Timestamp,
        after: ConnectionPk,
    ) -> Result<Vec<IdleConnection>, StoreError> {
        self.engine
            .reader()
            .list_idle_connections(before, SPREAD, after, BATCH)
            .await
    }

    async fn touch(&self, idle: IdleConnection) {
        let integration = IntegrationKey::parse(&idle.integration_key);
        let connection = ConnectionId::imported(&idle.connection_id);
        let (Ok(integration), Ok(connection)) = (integration, connection) else {
            return;
        };
        let kept =
            refresh::keep_alive(&self.engine, idle.environment, &integration, &connection).await;
        if let Err(error) = kept {
            // The refresh has its own operation and webhook.
            tracing::debug!("idle connection `{connection}` of `{integration}`: {error}");
        }
    }

    fn jitter(&self, most: Duration) -> Duration {
        let mut bytes = [0; 2];
        self.engine.random.fill(&mut bytes);
        most.mul_f64(f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
    }
}
