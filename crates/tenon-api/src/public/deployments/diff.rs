//! What lies between two deployments.

use axum::{Json, extract::State};
use serde::Serialize;
use tenon_engine::work::deploy::{self, FunctionChange};

use super::{found, named, show::Version};
use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// What changed from one deployment to the other.
#[derive(Debug, Serialize)]
pub(super) struct Diff {
    /// Null: from nothing.
    from: Option<i64>,
    to: i64,
    functions: Vec<Change>,
}

#[derive(Debug, Serialize)]
struct Change {
    integration: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    /// `created`, `updated` or `deleted`.
    change: &'static str,
    before: Option<Version>,
    after: Option<Version>,
    /// Settings that differ.
    settings: Vec<&'static str>,
    /// Unified diff of the source.
    code: String,
}

impl From<FunctionChange> for Change {
    fn from(change: FunctionChange) -> Self {
        let word = match (&change.before, &change.after) {
            (None, _) => "created",
            (Some(_), None) => "deleted",
            (Some(_), Some(_)) => "updated",
        };
        Self {
            change: word,
            before: change.before.as_ref().map(Version::from),
            after: change.after.as_ref().map(Version::from),
            integration: change.integration,
            kind: change.kind,
            name: change.name,
            settings: change.settings,
            code: change.code,
        }
    }
}

/// `GET /deployments/{id}/diff?from=`: against another deployment, or against the one before it.
pub(super) async fn diff(
    State(app): State<App>,
    caller: Caller<scope::ListFunctions>,
    params: UriParams,
    query: Query,
) -> Result<Json<Diff>, ApiError> {
    let from = checked(&query)?;
    let to = named(&app, caller.environment, &params).await?.pk;
    let from = match from {
        Some(id) => Some(found(&app, caller.environment, &id).await?.pk),
        None => {
            let reader = app.engine.reader();
            let before = reader.list_deployments(caller.environment, to, 1).await?;
            before.first().map(|row| row.pk)
        }
    };
    let changes = deploy::changes(&app.engine, caller.environment, from, to).await?;
    Ok(Json(Diff {
        from,
        to,
        functions: changes.into_iter().map(Change::from).collect(),
    }))
}

fn checked(query: &Query) -> Result<Option<String>, ApiError> {
    let input = query.input();
    let object = input.object();
    let from = object.optional("from").text().min(1).max(20).get();
    object.strict();
    drop(object);
    input.finish()?;
    Ok(from)
}
