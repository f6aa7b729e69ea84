//! The event feed and the list of deliveries, for apps and people.

use tenon_core::{limits, names::EnvironmentPk};
use tenon_store::{
    StoreError,
    delivery::{AttemptRow, DeliveryFilter, DeliveryRow, FeedEvent},
};

use crate::Engine;

/// Events of an environment behind a position, in commit order. Events that have no position yet get theirs now.
pub async fn events_after(
    engine: &Engine,
    environment: EnvironmentPk,
    position: i64,
    limit: i64,
) -> Result<Vec<FeedEvent>, StoreError> {
    let reader = engine.reader();
    let limit = limit.clamp(1, limits::PAGE);
    loop {
        let events = reader.events_after(environment, position, limit).await?;
        let full = i64::try_from(events.len()).is_ok_and(|count| count >= limit);
        if full || !reader.has_unnumbered_events(environment).await? {
            return Ok(events);
        }
        let numbered: Result<usize, StoreError> = engine
            .store
            .write(move |tx| async move { tx.number_events(environment, limits::PAGE).await })
            .await;
        if numbered? == 0 {
            return Ok(events);
        }
    }
}

/// Deliveries of an environment, the newest first.
pub async fn list(
    engine: &Engine,
    filter: &DeliveryFilter,
) -> Result<Vec<DeliveryRow>, StoreError> {
    engine.reader().list_deliveries(filter).await
}

/// A delivery and its attempts.
pub async fn find(
    engine: &Engine,
    environment: EnvironmentPk,
    id: &str,
) -> Result<Option<(DeliveryRow, Vec<AttemptRow>)>, StoreError> {
    let reader = engine.reader();
    let Some(delivery) = reader.find_delivery(environment, id).await? else {
        return Ok(None);
    };
    let attempts = reader.delivery_attempts(delivery.pk).await?;
    Ok(Some((delivery, attempts)))
}

/// Sends a delivery again, under the same `webhook-id`, with all its attempts ahead; whether there is such a delivery.
pub async fn replay(
    engine: &Engine,
    environment: EnvironmentPk,
    id: &str,
) -> Result<bool, StoreError> {
    let (now, id) = (engine.clock.now(), id.to_owned());
    let signals = std::sync::Arc::clone(&engine.signals);
    engine
        .store
        .write(move |tx| async move {
            tx.after_commit(move || signals.deliveries.notify_one());
            tx.replay_delivery(environment, &id, now).await
        })
        .await
}
