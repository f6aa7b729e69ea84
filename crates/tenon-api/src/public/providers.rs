//! The catalogue.

mod all;
mod get;
mod list;
mod templates;

use axum::{Router, routing::get};
use serde_json::{Map, Value};
use tenon_providers::Provider;

use crate::{App, UriParams, error::ApiError};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/providers", get(list::list))
        .route("/providers.json", get(all::all))
        .route("/providers/{provider}", get(get::get))
        .route("/providers/{provider}/templates", get(templates::list))
}

/// Where the picture of a provider is.
pub(crate) fn logo_url(app: &App, provider: &str) -> String {
    format!(
        "{}/images/template-logos/{provider}.svg",
        app.engine.settings.public_url
    )
}

/// The entry as clients read it: its keys, its name and its picture.
fn shown(app: &App, provider: &Provider) -> Map<String, Value> {
    let mut entry = provider.raw.clone();
    entry.insert("name".to_owned(), provider.name.as_str().into());
    entry.insert("logo_url".to_owned(), logo_url(app, &provider.name).into());
    entry
}

/// The provider name of the path, checked.
fn name_of(params: &UriParams) -> Result<&str, ApiError> {
    let input = params.input();
    input
        .object()
        .required("provider")
        .text()
        .provider_name()
        .take();
    input.finish()?;
    Ok(params.get("provider"))
}

fn unknown(name: &str) -> ApiError {
    ApiError::not_found(format!("Unknown provider {name}"))
}
