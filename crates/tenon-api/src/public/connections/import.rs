//! Importing a connection whose credentials the app has already (auth-and-proxy.md, 3.4).

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Map, Value};
use tenon_core::{
    Secret,
    auth::{AuthMode, CredentialsJson},
    names::ConnectionId,
};
use tenon_engine::{
    auth::issue,
    connections::{
        self, NewConnection,
        tags::{self, EndUser},
    },
    proxy::{self, Candidate},
};
use tenon_providers::Provider;
use tenon_store::integrations::IntegrationRow;

use super::{
    labels,
    show::{Full, Moment},
};
use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

mod credentials;

use credentials::Given;
pub(super) use credentials::instant;

/// A checked body.
struct Import {
    integration: String,
    connection_id: Option<ConnectionId>,
    metadata: Option<Map<String, Value>>,
    connection_config: Option<Map<String, Value>>,
    webhook_url_override: Option<String>,
    credentials: Given,
    end_user: Option<EndUser>,
    tags: Option<Map<String, Value>>,
}

/// `POST /connections`
pub(super) async fn import(
    State(app): State<App>,
    caller: Caller<scope::CreateConnections>,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Full>), ApiError> {
    query.none()?;
    let import = checked(&body)?;
    let reader = app.engine.reader();
    let found = reader
        .find_integration(caller.environment, &import.integration)
        .await?;
    let integration = found
        .ok_or_else(|| ApiError::not_found(format!("no integration `{}`", import.integration)))?;
    let provider = app
        .engine
        .catalogue
        .find(&integration.provider)
        .ok_or_else(|| {
            let message = format!(
                "the provider `{}` is not in the catalogue",
                integration.provider
            );
            ApiError::bad_request(ErrorCode::UnknownProviderTemplate, message)
        })?;
    let credentials = usable(&app, &integration, &provider, &import).await?;
    let labelled = import.end_user.is_some() || import.tags.is_some();
    let metadata = match import.metadata {
        // A new import without metadata has empty metadata, not none.
        None if is_new(
            &app,
            &caller,
            &import.integration,
            import.connection_id.as_ref(),
        )
        .await? =>
        {
            Some(Map::new())
        }
        given => given,
    };
    let saved = connections::import(
        &app.engine,
        &integration,
        &provider,
        NewConnection {
            environment: caller.environment,
            integration: integration.pk,
            integration_key: integration.unique_key.clone(),
            provider: integration.provider.clone(),
            auth_mode: provider.auth_mode,
            connection_id: import.connection_id,
            credentials: Secret::new(credentials.clone()),
            connection_config: import.connection_config,
            metadata,
            tags: labelled.then(|| tags::merged(import.end_user.as_ref(), import.tags.as_ref())),
            end_user: import.end_user,
            webhook_url_override: import.webhook_url_override,
            by_session: false,
            operation_id: None,
        },
    )
    .await?;
    let mut shown = credentials;
    shown.shift_remove(issue::INSTALLATION);
    let full = Full::stored(&saved.connection, shown, Moment::Zulu)?;
    Ok((StatusCode::CREATED, Json(full)))
}

fn checked(body: &JsonBody) -> Result<Import, ApiError> {
    let input = body.input();
    let object = input.object();
    let integration = object
        .required("provider_config_key")
        .text()
        .integration_key()
        .take();
    let connection_id = object
        .optional("connection_id")
        .text()
        .max(255)
        .matches(|text| !text.contains('\0'), "not contain NUL")
        .get();
    let metadata = object.optional("metadata").any_object().cloned();
    let connection_config = config(&object);
    let webhook_url_override = labels::webhook_url(object.optional("webhook_url_override"));
    let credentials = Given::checked(object.required("credentials"));
    let end_user = labels::end_user(object.optional("end_user"));
    let tags = labels::tags(object.optional("tags"));
    object.strict();
    drop(object);
    input.finish()?;
    let credentials =
        credentials.ok_or_else(|| ApiError::invalid_body("credentials are missing"))?;
    Ok(Import {
        integration,
        connection_id: connection_id
            .map(|id| ConnectionId::imported(&id))
            .transpose()
            .map_err(ApiError::invalid_body)?,
        metadata,
        connection_config,
        webhook_url_override,
        credentials,
        end_user,
        tags,
    })
}

/// Free settings, one of which has a known shape.
fn config(object: &crate::validate::Object<'_>) -> Option<Map<String, Value>> {
    let config = object.optional("connection_config").object()?;
    if let Some(scopes) = config.optional("oauth_scopes_override").items(1_000) {
        scopes.texts(|text| text);
    }
    config.map().cloned()
}

/// Credentials in the shape clients read, tried out where the provider tells how.
async fn usable(
    app: &App,
    integration: &IntegrationRow,
    provider: &Provider,
    import: &Import,
) -> Result<CredentialsJson, ApiError> {
    let given = &import.credentials;
    if given.mode != provider.auth_mode {
        return Err(ApiError::invalid_body(format!(
            "credentials of type `{}` do not fit an integration with auth mode `{}`",
            given.mode, provider.auth_mode
        )));
    }
    if let Some(installation) = given.installation() {
        return app_credentials(app, integration, provider, installation).await;
    }
    let empty = Map::new();
    let config = import.connection_config.as_ref().unwrap_or(&empty);
    let account = config.get("accountId").and_then(Value::as_str);
    if given.mode == AuthMode::Tba && account.is_none_or(str::is_empty) {
        return Err(ApiError::invalid_body(
            "`connection_config.accountId` is missing",
        ));
    }
    let credentials = given.stored();
    if matches!(
        given.mode,
        AuthMode::ApiKey | AuthMode::Basic | AuthMode::Tba
    ) {
        verify(app, integration, &credentials, config).await?;
    }
    Ok(credentials)
}

async fn verify(
    app: &App,
    integration: &IntegrationRow,
    credentials: &CredentialsJson,
    connection_config: &Map<String, Value>,
) -> Result<(), ApiError> {
    let settings = integration.full_config();
    let secret = integration.secrets.client_secret.as_ref();
    let candidate = Candidate {
        credentials,
        connection_config,
        integration_config: &settings,
        client_id: integration.client_id.as_deref(),
        client_secret: secret.map(|secret| secret.expose().as_str()),
    };
    proxy::verify(&app.engine, &integration.provider, candidate)
        .await
        .map_err(|error| ApiError::bad_request(ErrorCode::ConnectionTestFailed, error))
}

/// The credentials of an installed app: a token is fetched at once.
pub(super) async fn app_credentials(
    app: &App,
    integration: &IntegrationRow,
    provider: &Provider,
    installation: &str,
) -> Result<CredentialsJson, ApiError> {
    let config = Map::new();
    let party = issue::Party {
        engine: &app.engine,
        provider,
        integration,
        connection_config: &config,
    };
    let mut given = Map::new();
    given.insert(issue::INSTALLATION.to_owned(), installation.into());
    issue::issue(party, AuthMode::App, &given)
        .await
        .map(|issued| issued.credentials)
        .map_err(|failure| ApiError::bad_request(ErrorCode::RequestTokenExternalError, &failure))
}

async fn is_new(
    app: &App,
    caller: &Caller<scope::CreateConnections>,
    integration: &str,
    id: Option<&ConnectionId>,
) -> Result<bool, ApiError> {
    let Some(id) = id else { return Ok(true) };
    let reader = app.engine.reader();
    let found = reader
        .find_connection(caller.environment, integration, id.as_str())
        .await?;
    Ok(found.is_none())
}
