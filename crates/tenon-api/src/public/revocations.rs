//! The kill switch, and the proof of what providers were told.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Value, json};
use tenon_core::limits;
use tenon_engine::revocation::{self, Blast, BlastOf};
use tenon_store::revocations::RevocationRow;

use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// Rows of a page unless the caller says otherwise.
const DEFAULT_LIMIT: i64 = 100;

/// Connections shown of each integration; all of them are counted.
const SHOWN: usize = 100;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/revocations", get(list))
        .route("/revoke", post(revoke))
}

/// `POST /revoke`: lists what would go with `dry_run`, which is the default; deletes it without.
async fn revoke(
    State(app): State<App>,
    _caller: Caller<scope::Revoke>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let (of, dry_run) = checked(&body)?;
    let found = revocation::blast(&app.engine, &of).await?;
    let blast = found.ok_or_else(|| {
        let message = "there is no such environment";
        ApiError::new(
            StatusCode::NOT_FOUND,
            ErrorCode::UnknownEnvironment,
            message,
        )
    })?;
    let mut data = shown(&blast);
    data["dry_run"] = dry_run.into();
    if !dry_run {
        let killed = revocation::kill(&app.engine, &blast).await?;
        data["deleted"] = killed.connections.into();
    }
    Ok(Json(json!({ "data": data })))
}

fn shown(blast: &Blast) -> Value {
    let integrations: Vec<Value> = blast
        .integrations
        .iter()
        .map(|integration| {
            let ids: Vec<&String> = integration.connection_ids.iter().take(SHOWN).collect();
            json!({
                "environment": integration.environment,
                "unique_key": integration.unique_key,
                "provider": integration.provider,
                "revocable": integration.is_revocable,
                "connections": integration.connection_ids.len(),
                "connection_ids": ids,
            })
        })
        .collect();
    json!({"connections": blast.connections(), "integrations": integrations})
}

fn checked(body: &JsonBody) -> Result<(BlastOf, bool), ApiError> {
    let input = body.input();
    let object = input.object();
    let text = |name| object.optional(name).text().min(1).max(255).get();
    let wishes = [
        text("provider").map(BlastOf::Provider),
        text("environment").map(BlastOf::Environment),
        text("organization").map(BlastOf::Organization),
    ];
    let dry_run = object.optional("dry_run").flag();
    object.strict();
    drop(object);
    let mut given = wishes.into_iter().flatten();
    let (first, second) = (given.next(), given.next());
    if first.is_none() || second.is_some() {
        let message = "say what is to go: one of provider, environment, organization";
        input.issue("custom", Vec::new(), message);
    }
    input.finish()?;
    let of = first.ok_or_else(|| ApiError::invalid_body("nothing to revoke"))?;
    Ok((of, dry_run.unwrap_or(true)))
}

/// `GET /revocations?connection_id&cursor&limit`, the newest first.
async fn list(
    State(app): State<App>,
    caller: Caller<scope::ReadAudit>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let (before, connection, limit) = place(&query)?;
    let rows = app
        .engine
        .reader()
        .list_revocations(caller.environment, before, connection.as_deref(), limit)
        .await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next_cursor = rows
        .last()
        .filter(|_| is_full)
        .map(|row| row.pk.to_string());
    let revocations: Vec<Value> = rows.into_iter().map(proof).collect();
    Ok(Json(
        json!({"revocations": revocations, "next_cursor": next_cursor}),
    ))
}

fn place(query: &Query) -> Result<(i64, Option<String>, i64), ApiError> {
    let input = query.input();
    let object = input.object();
    let before = object.optional("cursor").integer_text(0, i64::MAX);
    let connection = object
        .optional("connection_id")
        .text()
        .min(1)
        .max(255)
        .get();
    let limit = object.optional("limit").integer_text(1, limits::PAGE);
    object.strict();
    drop(object);
    input.finish()?;
    Ok((
        before.unwrap_or(i64::MAX),
        connection,
        limit.unwrap_or(DEFAULT_LIMIT),
    ))
}

fn proof(row: RevocationRow) -> Value {
    json!({
        "id": row.pk,
        "provider_config_key": row.integration_key,
        "connection_id": row.connection_id,
        "provider": row.provider,
        "reason": row.reason,
        "token": if row.token.is_empty() { Value::Null } else { row.token.into() },
        "fingerprint": if row.fingerprint.is_empty() { Value::Null } else { row.fingerprint.into() },
        "state": row.state,
        "attempts": row.attempts,
        "status": row.status,
        "error": row.error,
        "created_at": row.created_at.iso_millis(),
        "finished_at": row.finished_at.map(|at| at.iso_millis()),
    })
}
