//! Replaces keys.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_engine::keys::Rotations;

use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// Most environments named in one request.
const MAX_ENVIRONMENTS: usize = 1_000;

/// What the body asks for.
struct Wanted {
    instance: bool,
    /// All of them if nothing.
    environments: Option<Vec<String>>,
}

/// `POST /keys/rotate`: answered when the new keys are in force; moving everything to them goes on behind it.
pub(super) async fn rotate(
    State(app): State<App>,
    _caller: Caller<scope::RotateKeys>,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    query.none()?;
    let wanted = checked(&body)?;
    let mut names = Vec::new();
    for environment in app.engine.reader().list_environments().await? {
        names.push((environment.pk, environment.name));
    }
    let mut chosen = Vec::new();
    for name in wanted.environments.iter().flatten() {
        let found = names.iter().find(|(_, known)| known == name);
        let (pk, _) = found.ok_or_else(|| {
            let message = format!("there is no environment `{name}`");
            ApiError::new(
                StatusCode::NOT_FOUND,
                ErrorCode::UnknownEnvironment,
                message,
            )
        })?;
        chosen.push(*pk);
    }
    if wanted.environments.is_none() {
        chosen = names.iter().map(|(pk, _)| *pk).collect();
    }
    let rotations = Rotations::of(&app.engine);
    let mut begun = Vec::new();
    // The instance key first: the data keys that are made next are wrapped by the new one at once.
    if wanted.instance {
        begun.push(rotations.begin_instance().await?);
    }
    for environment in chosen {
        begun.push(rotations.begin_environment(environment).await?);
    }
    let begun: Vec<Value> = begun
        .iter()
        .map(|rotation| super::shown(rotation, &names))
        .collect();
    Ok((StatusCode::ACCEPTED, Json(json!({ "data": begun }))))
}

fn checked(body: &JsonBody) -> Result<Wanted, ApiError> {
    let input = body.input();
    let object = input.object();
    let instance = object.optional("instance").flag();
    let all = object.optional("all").flag() == Some(true);
    let listed = object.optional("environments");
    let is_listed = listed.is_given();
    let listed = listed
        .items(MAX_ENVIRONMENTS)
        .map_or_else(Vec::new, |items| items.texts(|text| text.min(1).max(255)));
    object.strict();
    drop(object);
    let instance = instance.unwrap_or(all);
    if !instance && !all && listed.is_empty() {
        input.issue(
            "custom",
            Vec::new(),
            "say what to rotate: instance, environments or all",
        );
    }
    if all && is_listed {
        input.issue(
            "custom",
            vec!["environments".to_owned()],
            "all of them are meant already",
        );
    }
    input.finish()?;
    Ok(Wanted {
        instance,
        environments: (!all).then_some(listed),
    })
}
