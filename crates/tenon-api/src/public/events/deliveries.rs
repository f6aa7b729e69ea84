//! Webhooks on their way, delivered and given up.

use axum::{Json, extract::State};
use serde::Serialize;
use tenon_core::{Timestamp, limits, names::EnvironmentPk};
use tenon_engine::delivery;
use tenon_store::delivery::{AttemptRow, DeliveryFilter, DeliveryRow};

use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// Deliveries of a page unless the caller says otherwise.
const DEFAULT_LIMIT: i64 = 100;

/// A page of deliveries, the newest first.
#[derive(Debug, Serialize)]
pub(super) struct List {
    deliveries: Vec<Delivery>,
    /// Null on the last page.
    next_cursor: Option<String>,
}

/// One delivery with the requests made for it.
#[derive(Debug, Serialize)]
pub(super) struct One {
    #[serde(flatten)]
    delivery: Delivery,
    requests: Vec<Attempt>,
}

#[derive(Debug, Serialize)]
struct Delivery {
    id: String,
    webhook_id: String,
    #[serde(rename = "type")]
    kind: String,
    url: String,
    connection_id: Option<String>,
    /// `waiting`, `delivered` or `failed`.
    state: String,
    attempts: i64,
    next_attempt_at: Option<String>,
    last_status: Option<i64>,
    last_error: Option<String>,
    log_id: Option<String>,
    created_at: String,
    finished_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Attempt {
    at: String,
    status: Option<i64>,
    error: Option<String>,
    duration_ms: f64,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        let waits = row.state == "waiting";
        Self {
            id: row.id,
            webhook_id: row.webhook_id,
            kind: row.kind,
            url: row.url,
            connection_id: row.connection_id,
            state: row.state,
            attempts: row.attempts,
            next_attempt_at: waits.then(|| row.next_at.iso_millis()),
            last_status: row.last_status,
            last_error: row.last_error,
            log_id: row.operation,
            created_at: row.created_at.iso_millis(),
            finished_at: row.finished_at.map(Timestamp::iso_millis),
        }
    }
}

impl From<AttemptRow> for Attempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            at: row.at.iso_millis(),
            status: row.status,
            error: row.error,
            duration_ms: row.duration_us as f64 / 1_000.0,
        }
    }
}

/// `GET /webhooks/deliveries?state&connection_id&limit&cursor`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<scope::ReadEvents>,
    query: Query,
) -> Result<Json<List>, ApiError> {
    let filter = checked(&query, caller.environment)?;
    let rows = delivery::list(&app.engine, &filter).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count == filter.limit);
    let next_cursor = rows.last().filter(|_| full).map(|row| row.pk.to_string());
    Ok(Json(List {
        deliveries: rows.into_iter().map(Delivery::from).collect(),
        next_cursor,
    }))
}

fn checked(query: &Query, environment: EnvironmentPk) -> Result<DeliveryFilter, ApiError> {
    let input = query.input();
    let object = input.object();
    let state = object
        .optional("state")
        .one_of(&["waiting", "delivered", "failed"]);
    let connection_id = object
        .optional("connection_id")
        .text()
        .max(limits::NAME_CHARS)
        .get();
    let before = object.optional("cursor").integer_text(0, i64::MAX);
    let limit = object.optional("limit").integer_text(1, limits::PAGE);
    object.strict();
    drop(object);
    input.finish()?;
    Ok(DeliveryFilter {
        environment,
        state: state.map(str::to_owned),
        connection_id,
        before: before.unwrap_or(i64::MAX),
        limit: limit.unwrap_or(DEFAULT_LIMIT),
    })
}

/// `GET /webhooks/deliveries/{id}`
pub(super) async fn one(
    State(app): State<App>,
    caller: Caller<scope::ReadEvents>,
    uri: UriParams,
    query: Query,
) -> Result<Json<One>, ApiError> {
    query.none()?;
    let id = uri.get("id");
    let found = delivery::find(&app.engine, caller.environment, id).await?;
    let (row, attempts) =
        found.ok_or_else(|| ApiError::not_found(format!("no delivery `{id}`")))?;
    Ok(Json(One {
        delivery: Delivery::from(row),
        requests: attempts.into_iter().map(Attempt::from).collect(),
    }))
}
