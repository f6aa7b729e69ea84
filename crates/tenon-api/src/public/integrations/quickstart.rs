//! Integrations on a developer app that the operator shares.

use axum::extract::State;
use tenon_core::auth::AuthMode;

use crate::{
    ApiError, App, ErrorCode, Issue,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// `POST /integrations/quickstart`: a self-hosted server has no shared developer apps, so a valid request is refused
/// the way the reference refuses it where none is configured.
pub(super) async fn create(
    State(app): State<App>,
    _caller: Caller<scope::CreateIntegrations>,
    query: Query,
    body: JsonBody,
) -> Result<(), ApiError> {
    query.none()?;
    let input = body.input();
    let object = input.object();
    let name = object.required("provider").text().provider_name().take();
    object
        .required("unique_key")
        .text()
        .integration_key()
        .take();
    object
        .optional("display_name")
        .text()
        .min(1)
        .max(255)
        .take();
    object.optional("forward_webhooks").flag();
    object.strict();
    drop(object);
    input.finish()?;
    let Some(provider) = app.engine.catalogue.find(&name) else {
        let issue = Issue {
            code: "invalid_string",
            message: "Invalid provider".to_owned(),
            path: vec!["provider".to_owned()],
        };
        return Err(ApiError::invalid(ErrorCode::InvalidBody, vec![issue]));
    };
    let fits = matches!(
        provider.auth_mode,
        AuthMode::OAuth1 | AuthMode::OAuth2 | AuthMode::App
    );
    let message = if fits {
        "this server has no shared developer app for this provider, bring your own credentials"
    } else {
        "a provider with this auth mode needs no developer app, create the integration without quickstart"
    };
    Err(ApiError::invalid_body(message))
}
