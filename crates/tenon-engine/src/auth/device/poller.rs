//! The loop that asks providers whether a person has agreed.

use std::{sync::Arc, time::Duration};

use tenon_core::function::Cancel;
use tenon_store::StoreError;
use tokio::{sync::Semaphore, task::JoinSet};

use super::poll;
use crate::{Engine, auth::request};

/// Longest pause between two looks: another node may have begun a flow.
const LONGEST: Duration = Duration::from_secs(5);

/// Shortest pause, so that one that cannot be claimed does not make this spin.
const SHORTEST: Duration = Duration::from_millis(200);

/// How long one question may take before somebody else may ask.
const LEASE: Duration = Duration::from_secs(request::TIMEOUT.as_secs() + 15);

/// Questions of this node under way.
const AT_ONCE: usize = 64;

/// Asks for the tokens of device flows, each as often as its provider allows.
pub struct DevicePoller {
    engine: Engine,
    turns: Arc<Semaphore>,
}

impl DevicePoller {
    /// Over an engine.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Runs until the flag goes up; may be killed at any line. A question that has left is waited for: its answer may be
    /// the token.
    pub async fn run(self, shutdown: Cancel) {
        let mut asking = JoinSet::new();
        loop {
            while asking.try_join_next().is_some() {}
            if let Err(error) = self.ask(&mut asking).await {
                tracing::warn!("could not look for device flows: {error}");
            }
            let pause = self.pause().await;
            tokio::select! {
                () = shutdown.raised() => break,
                () = self.engine.signals.devices.notified() => {}
                () = self.engine.clock.sleep(pause) => {}
            }
        }
        asking.join_all().await;
    }

    /// Asks everything that is due now, and waits for the answers; returns how many.
    pub async fn ask_due(&self) -> Result<usize, StoreError> {
        let mut asking = JoinSet::new();
        let asked = self.ask(&mut asking).await?;
        asking.join_all().await;
        Ok(asked)
    }

    async fn ask(&self, asking: &mut JoinSet<()>) -> Result<usize, StoreError> {
        let now = self.engine.clock.now();
        let free = i64::try_from(self.turns.available_permits()).unwrap_or(0);
        let is_due = self.engine.reader().next_device_poll().await?;
        if free == 0 || is_due.is_none_or(|due| due > now) {
            return Ok(0);
        }
        let claimed = self
            .engine
            .store
            .write(move |tx| async move { tx.claim_device_flows(now, now.plus(LEASE), free).await })
            .await?;
        let count = claimed.len();
        for flow in claimed {
            let (engine, turns) = (self.engine.clone(), Arc::clone(&self.turns));
            asking.spawn(async move {
                let _turn = turns.acquire().await;
                poll::once(&engine, flow).await;
            });
        }
        Ok(count)
    }

    async fn pause(&self) -> Duration {
        let next = self.engine.reader().next_device_poll().await;
        let now = self.engine.clock.now();
        match next {
            Ok(Some(due)) => due.since(now).clamp(SHORTEST, LONGEST),
            Ok(None) | Err(_) => LONGEST,
        }
    }
}
