//! The catalogue, or the part of it that a search finds.

use axum::{Json, extract::State};
use regex::{Regex, RegexBuilder};
use serde_json::{Value, json};

use super::shown;
use crate::{
    ApiError, App,
    caller::{ConnectCaller, scope},
    query::Query,
};

/// Largest compiled pattern: searches come from outside.
const PATTERN_BYTES: usize = 256 * 1024;

/// `GET /providers?search=`
pub(super) async fn list(
    State(app): State<App>,
    _caller: ConnectCaller<scope::ListIntegrations>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let search = checked(&query)?;
    let found: Vec<_> = app
        .engine
        .catalogue
        .iter()
        .filter(|provider| {
            search
                .as_ref()
                .is_none_or(|search| search.is_match(&provider.name))
        })
        .map(|provider| shown(&app, &provider))
        .collect();
    Ok(Json(json!({"data": found})))
}

/// The pattern to look for in names, without regard to case.
fn checked(query: &Query) -> Result<Option<Regex>, ApiError> {
    let input = query.input();
    let object = input.object();
    let rule = "be a regular expression";
    let search = object
        .optional("search")
        .text()
        .matches(|text| pattern(text).is_some(), rule)
        .get();
    object.strict();
    drop(object);
    input.finish()?;
    Ok(search.as_deref().and_then(pattern))
}

fn pattern(text: &str) -> Option<Regex> {
    RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(PATTERN_BYTES)
        .build()
        .ok()
}
