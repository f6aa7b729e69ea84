//! Throwing a record away that nobody wants.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_engine::records::{self, QuarantineFilter};

use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `DELETE /quarantine/{id}`
pub(super) async fn discard(
    State(app): State<App>,
    caller: Caller<scope::WriteRecords>,
    uri: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let unknown = || ApiError::not_found("there is no such record in quarantine");
    let pk: i64 = uri.get("id").parse().map_err(|_| unknown())?;
    let filter = QuarantineFilter {
        environment: caller.environment,
        pk: Some(pk),
        connection_id: None,
        integration: None,
        model: None,
    };
    if records::discard_quarantined(&app.engine, filter).await? == 0 {
        return Err(unknown());
    }
    Ok(Json(json!({ "success": true })))
}
