//! Who read which secret.

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};
use tenon_core::limits;
use tenon_store::secret_reads::SecretReadsRow;

use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
};

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/audit/secret-reads", get(list))
}

/// Rows of a page unless the caller says otherwise.
const DEFAULT_LIMIT: i64 = 100;

/// What the query asks for.
struct Wanted {
    before: i64,
    subject: Option<String>,
    limit: i64,
}

/// `GET /audit/secret-reads?subject&cursor&limit`, the newest first.
async fn list(
    State(app): State<App>,
    caller: Caller<scope::ReadAudit>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let wanted = checked(&query)?;
    let rows = app
        .engine
        .reader()
        .list_secret_reads(
            caller.environment,
            wanted.before,
            wanted.subject.as_deref(),
            wanted.limit,
        )
        .await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == wanted.limit);
    let next_cursor = rows
        .last()
        .filter(|_| is_full)
        .map(|row| row.pk.to_string());
    let reads: Vec<Value> = rows.into_iter().map(shown).collect();
    Ok(Json(json!({"reads": reads, "next_cursor": next_cursor})))
}

fn shown(row: SecretReadsRow) -> Value {
    json!({
        "door": row.door,
        "reader": {"type": row.reader, "id": row.reader_pk, "name": row.reader_name},
        "subject": {"type": row.subject, "id": row.subject_pk, "name": row.subject_name},
        "reads": row.reads,
        "first_at": row.first.iso_millis(),
        "last_at": row.last.iso_millis(),
    })
}

fn checked(query: &Query) -> Result<Wanted, ApiError> {
    let input = query.input();
    let object = input.object();
    let before = object.optional("cursor").integer_text(0, i64::MAX);
    let subject = object.optional("subject").text().get();
    let limit = object.optional("limit").integer_text(1, limits::PAGE);
    object.strict();
    drop(object);
    input.finish()?;
    Ok(Wanted {
        before: before.unwrap_or(i64::MAX),
        subject,
        limit: limit.unwrap_or(DEFAULT_LIMIT),
    })
}
