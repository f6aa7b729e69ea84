//! Functions of an integration.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{kind, of_integration, show};
use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// Functions on one page, unless told otherwise, and at most.
const PAGE: i64 = 20;
const MAX_PAGE: i64 = 1_000;

/// `GET /integrations/{unique_key}/functions?type=&search=&page=&limit=`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<scope::ListFunctions>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let wanted = Wanted::checked(&query)?;
    let key = params.integration_key("unique_key")?;
    let functions = of_integration(&app, caller.environment, key).await?;
    let found: Vec<_> = functions
        .iter()
        .filter(|one| wanted.kind.is_none_or(|kind| kind == one.kind))
        .filter(|one| {
            let search = wanted.search.as_deref();
            search.is_none_or(|search| one.name.to_lowercase().contains(search))
        })
        .collect();
    let start = usize::try_from(wanted.page.saturating_mul(wanted.limit)).unwrap_or(usize::MAX);
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let page: Vec<Value> = found
        .iter()
        .skip(start)
        .take(limit)
        .map(|one| show::function(one))
        .collect();
    Ok(Json(json!({
        "data": page,
        "pagination": {
            "total": found.len(),
            "page": wanted.page,
            "limit": wanted.limit,
        },
    })))
}

struct Wanted {
    kind: Option<&'static str>,
    /// In lower case.
    search: Option<String>,
    page: i64,
    limit: i64,
}

impl Wanted {
    fn checked(query: &Query) -> Result<Self, ApiError> {
        let input = query.input();
        let object = input.object();
        let wanted = Self {
            kind: kind(&object),
            search: object
                .optional("search")
                .text()
                .max(255)
                .get()
                .map(|text| text.to_lowercase()),
            page: object
                .optional("page")
                .integer_text(0, i64::from(i32::MAX))
                .unwrap_or(0),
            limit: object
                .optional("limit")
                .integer_text(1, MAX_PAGE)
                .unwrap_or(PAGE),
        };
        object.strict();
        drop(object);
        input.finish()?;
        Ok(wanted)
    }
}
