//! Result of an asynchronous action.

use axum::{extract::State, response::Response};
use tenon_engine::work::actions::{self, ActionResult};
use uuid::Uuid;

use super::{output, refusal};
use crate::{
    ApiError, App, ErrorCode, Issue, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `GET /action/{id}`
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller<scope::ExecuteActions>,
    params: UriParams,
    query: Query,
) -> Result<Response, ApiError> {
    query.none()?;
    let id: Uuid = params.get("id").parse().map_err(|_| not_a_uuid())?;
    Ok(
        match actions::result(&app.engine, caller.environment, id).await? {
            ActionResult::Output(json) => output(json),
            ActionResult::Failed(error) => refusal(&error),
            ActionResult::Pending => {
                return Err(ApiError::not_found(
                    "no finished asynchronous action has this id",
                ));
            }
        },
    )
}

/// `GET /action/trigger`
pub(super) async fn get_trigger(_caller: Caller<scope::ExecuteActions>) -> ApiError {
    not_a_uuid()
}

fn not_a_uuid() -> ApiError {
    let issue = Issue {
        code: "invalid_format",
        message: "Invalid UUID".to_owned(),
        path: vec!["id".to_owned()],
    };
    ApiError::invalid(ErrorCode::InvalidUriParams, vec![issue])
}
