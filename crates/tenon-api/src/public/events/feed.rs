//! Events in the order of their commits.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use tenon_engine::delivery;
use tenon_store::delivery::FeedEvent;

use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
};

/// Events of a page unless the caller says otherwise.
const DEFAULT_LIMIT: i64 = 100;

/// A page of events.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    events: Vec<Event>,
    /// Where to go on, also when nothing is there yet.
    next_cursor: String,
}

#[derive(Debug, Serialize)]
struct Event {
    /// The `webhook-id` of its deliveries.
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created_at: String,
    cursor: String,
    /// What the webhook says, byte for byte.
    payload: Box<RawValue>,
}

impl From<FeedEvent> for Event {
    fn from(event: FeedEvent) -> Self {
        let payload = String::from_utf8_lossy(&event.body).into_owned();
        Self {
            id: event.id,
            kind: event.kind,
            created_at: event.created_at.iso_millis(),
            cursor: event.position.to_string(),
            payload: RawValue::from_string(payload).unwrap_or_else(|error| {
                let text = Value::from(error.to_string()).to_string();
                RawValue::from_string(text).unwrap_or_default()
            }),
        }
    }
}

/// `GET /events?cursor&limit`: whoever saw a cursor never misses a later event.
pub(super) async fn feed(
    State(app): State<App>,
    caller: Caller<scope::ReadEvents>,
    query: Query,
) -> Result<Json<Body>, ApiError> {
    let (cursor, limit) = query.forwards(DEFAULT_LIMIT)?;
    let events = delivery::events_after(&app.engine, caller.environment, cursor, limit).await?;
    let next_cursor = events.last().map_or(cursor, |event| event.position);
    Ok(Json(Body {
        events: events.into_iter().map(Event::from).collect(),
        next_cursor: next_cursor.to_string(),
    }))
}
