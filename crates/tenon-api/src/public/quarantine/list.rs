//! What is kept aside, and why.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use tenon_core::{limits, names::EnvironmentPk};
use tenon_engine::records::{self, QuarantineFilter, QuarantinedRow};

use super::filter;
use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
};

/// Records of a page unless the caller says otherwise.
const DEFAULT_LIMIT: i64 = 100;

/// A page, the newest first.
#[derive(Debug, Serialize)]
pub(super) struct List {
    records: Vec<Quarantined>,
    /// Null on the last page.
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
struct Quarantined {
    id: String,
    connection_id: String,
    provider_config_key: String,
    model: String,
    record_id: String,
    /// List of `{path, reason}`.
    reasons: Value,
    /// The record without its id; null where it could not be kept.
    record: Option<Box<RawValue>>,
    size_bytes: i64,
    /// Whether the next run of the sync tries it again.
    retry: bool,
    /// The run that kept it aside.
    log_id: String,
    created_at: String,
}

impl From<QuarantinedRow> for Quarantined {
    fn from(row: QuarantinedRow) -> Self {
        let record = row
            .payload
            .and_then(|json| String::from_utf8(json.to_vec()).ok())
            .and_then(|json| RawValue::from_string(json).ok());
        Self {
            id: row.pk.to_string(),
            connection_id: row.connection_id,
            provider_config_key: row.integration,
            model: row.model,
            record_id: row.external_id,
            reasons: serde_json::from_str(&row.reasons).unwrap_or_default(),
            record,
            size_bytes: row.size_bytes,
            retry: row.retry,
            log_id: row.operation,
            created_at: row.created_at.iso_millis(),
        }
    }
}

/// `GET /quarantine?connection_id&provider_config_key&model&limit&cursor`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<scope::ReadRecords>,
    query: Query,
) -> Result<Json<List>, ApiError> {
    let (filter, before, limit) = checked(&query, caller.environment)?;
    let rows = records::list_quarantined(&app.engine, &filter, before, limit).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next_cursor = rows.last().filter(|_| full).map(|row| row.pk.to_string());
    Ok(Json(List {
        records: rows.into_iter().map(Quarantined::from).collect(),
        next_cursor,
    }))
}

fn checked(
    query: &Query,
    environment: EnvironmentPk,
) -> Result<(QuarantineFilter, i64, i64), ApiError> {
    let input = query.input();
    let object = input.object();
    let filter = filter(&object, environment);
    let before = object.optional("cursor").integer_text(0, i64::MAX);
    let limit = object.optional("limit").integer_text(1, limits::PAGE);
    object.strict();
    drop(object);
    input.finish()?;
    Ok((
        filter,
        before.unwrap_or(i64::MAX),
        limit.unwrap_or(DEFAULT_LIMIT),
    ))
}
