//! The document behind a client id that is a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tenon_core::auth::AuthMode;
use tenon_providers::{ClientRegistration, Provider};
use tenon_store::{StoreError, environments::EnvironmentRow, integrations::IntegrationRow};

use crate::{Engine, auth::flow};

/// What may stand in a path as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Names under `custom` by which an owner says how people see the client.
const NAME: &str = "oauth_client_name";
const HOME: &str = "oauth_client_uri";
const LOGO: &str = "oauth_client_logo_uri";

/// Our client id at servers that take documents: the address of the document itself.
pub fn address(
    engine: &Engine,
    environment: &EnvironmentRow,
    integration: &IntegrationRow,
) -> String {
    format!(
        "{}/oauth/client-metadata/{}/{}",
        engine.settings.public_url,
        environment.uuid,
        utf8_percent_encode(&integration.unique_key, SEGMENT)
    )
}

/// Whether servers can be told to look at a document of ours: they demand HTTPS.
pub(super) fn can_be_read(engine: &Engine) -> bool {
    engine.settings.public_url.starts_with("https://")
}

/// Whether integrations of this provider may have a document as their client id.
const fn has_document(provider: &Provider) -> bool {
    match provider.auth_mode {
        AuthMode::McpOAuth2Generic => true,
        AuthMode::McpOAuth2 => {
            matches!(provider.client_registration, Some(ClientRegistration::Cimd))
        }
        _ => false,
    }
}

/// The name that people see when they are asked to agree.
pub fn client_name(
    environment: &EnvironmentRow,
    integration: Option<&IntegrationRow>,
    provider: &Provider,
) -> String {
    let given = integration.and_then(|integration| custom(integration, NAME));
    given.unwrap_or_else(|| format!("{} - {}", environment.name, provider.display_name))
}

/// The document of an integration; nothing for those that have none.
pub async fn find(
    engine: &Engine,
    environment_uuid: &str,
    integration_key: &str,
) -> Result<Option<Value>, StoreError> {
    let reader = engine.reader();
    let Some(environment) = reader.find_environment_by_uuid(environment_uuid).await? else {
        return Ok(None);
    };
    let found = reader
        .find_integration(environment.pk, integration_key)
        .await?;
    let Some(integration) = found else {
        return Ok(None);
    };
    let provider = engine.catalogue.find(&integration.provider);
    let Some(provider) = provider.filter(|provider| has_document(provider)) else {
        return Ok(None);
    };
    let callback_url = flow::callback_url(engine, environment.callback_url.as_deref());
    let home = custom(&integration, HOME).unwrap_or_else(|| engine.settings.public_url.clone());
    let mut document = json!({
        "client_id": address(engine, &environment, &integration),
        "client_name": client_name(&environment, Some(&integration), &provider),
        "client_uri": home,
        "redirect_uris": [callback_url],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    if let Some(logo) = custom(&integration, LOGO) {
        document["logo_uri"] = logo.into();
    }
    Ok(Some(document))
}

fn custom(integration: &IntegrationRow, name: &str) -> Option<String> {
    let value = integration.secrets.custom.expose().get(name)?.as_str()?;
    Some(value.to_owned()).filter(|text| !text.is_empty())
}
