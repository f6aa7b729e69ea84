//! What a flow needs before a browser can be sent away: addresses and a client.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tenon_core::names::IntegrationPk;
use tenon_providers::{ClientRegistration, Provider};
use tenon_store::{StoreError, environments::EnvironmentRow, integrations::IntegrationRow};
use url::Url;

use super::{
    discover::{Discovered, discover},
    document,
    register::register,
    server::{CLIENT_INFO, METADATA, RESOURCE, UrlRule, provider, texts},
};
use crate::{
    Engine,
    auth::{
        entrance::Entrance,
        flow::{FlowError, FlowErrorKind},
        issue::text,
        oauth2::Client,
    },
};

/// Where a person says which server is meant.
const SERVER: &str = "mcp_server_url";

/// Asks the server of a flow for its addresses, and makes us known to it. The flow goes on with a provider that has
/// these addresses; the client that is returned belongs to the connection, not to the integration.
pub(in crate::auth) async fn prepare(
    engine: &Engine,
    entrance: &mut Entrance,
    given: Option<Client>,
    callback_url: &str,
) -> Result<Client, FlowError> {
    let rule = UrlRule {
        loopback: engine.egress.opens_loopback(),
    };
    let wrong = |reason: &str| {
        let message = format!("the parameter `{SERVER}` {reason}");
        FlowError::new(FlowErrorKind::UrlParam, message)
    };
    let address = text(&entrance.connection_config, SERVER).ok_or_else(|| wrong("is missing"))?;
    let url = rule.check_server(address).map_err(wrong)?;
    let found = discover(engine, &url, rule)
        .await
        .map_err(|reason| FlowError::new(FlowErrorKind::ProviderConfig, reason))?;
    let client = match given {
        Some(client) => client,
        None => client(engine, entrance, &found, callback_url).await?,
    };
    let info = json!({ "client_id": client.id, "redirect_uris": [callback_url] });
    let metadata = Value::Object(found.server.metadata.clone());
    let config = &mut entrance.connection_config;
    config.insert(METADATA.to_owned(), metadata.to_string().into());
    config.insert(CLIENT_INFO.to_owned(), info.to_string().into());
    config.insert(RESOURCE.to_owned(), found.resource.as_str().into());
    let has_scopes = entrance
        .integration
        .scopes
        .as_deref()
        .is_some_and(|list| !list.is_empty());
    if entrance.scopes_override.is_none() && !has_scopes {
        entrance.scopes_override = Some(found.scopes.clone());
    }
    let own = provider(&entrance.provider, &found.server, &found.resource);
    entrance.provider = Arc::new(own);
    Ok(client)
}

/// Who we are to a server: what the owner says, a document, the registration of this connection, or a new one.
async fn client(
    engine: &Engine,
    entrance: &Entrance,
    found: &Discovered,
    callback_url: &str,
) -> Result<Client, FlowError> {
    let integration = &entrance.integration;
    if let Some(id) = integration.client_id.clone().filter(|id| !id.is_empty()) {
        let secret = integration.secrets.client_secret.clone();
        return Ok(Client { id, secret });
    }
    if found.server.takes_documents && document::can_be_read(engine) {
        let id = document::address(engine, &entrance.environment, integration);
        return Ok(Client { id, secret: None });
    }
    if let Some(client) = registered_before(engine, entrance, found, callback_url).await? {
        return Ok(client);
    }
    let Some(endpoint) = found.server.registration_endpoint.clone() else {
        let message = "the server neither registers clients nor takes documents about them; \
            set a client id in the integration";
        return Err(FlowError::new(FlowErrorKind::ProviderConfig, message));
    };
    let name = document::client_name(&entrance.environment, Some(integration), &entrance.provider);
    let mut more = Map::new();
    more.insert(
        "grant_types".to_owned(),
        json!(["authorization_code", "refresh_token"]),
    );
    more.insert("response_types".to_owned(), json!(["code"]));
    Ok(register(engine, endpoint, callback_url, &name, &more).await?)
}

/// The public client under which this connection was authorised before, by the same server and for the same callback.
async fn registered_before(
    engine: &Engine,
    entrance: &Entrance,
    found: &Discovered,
    callback_url: &str,
) -> Result<Option<Client>, StoreError> {
    let (key, id) = (
        &entrance.integration.unique_key,
        entrance.connection_id.as_str(),
    );
    let row = engine
        .reader()
        .find_connection(entrance.environment.pk, key, id)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let config: Map<String, Value> =
        serde_json::from_str(&row.connection_config).unwrap_or_default();
    let kept = |name: &str| -> Map<String, Value> {
        let kept = text(&config, name).and_then(|text| serde_json::from_str(text).ok());
        kept.unwrap_or_default()
    };
    let (server, client) = (kept(METADATA), kept(CLIENT_INFO));
    let is_same = text(&server, "issuer") == Some(found.server.issuer.as_str())
        && texts(&client, "redirect_uris").contains(&callback_url.to_owned());
    let has_secret = {
        let credentials = engine.reader().open_credentials(&row).await?;
        let own = credentials.get("config_override");
        own.and_then(|own| own.get("client_secret")).is_some()
    };
    let id = text(&client, "client_id").filter(|_| is_same && !has_secret);
    Ok(id.map(|id| Client {
        id: id.to_owned(),
        secret: None,
    }))
}

/// The client of a provider whose addresses are known. One that registers clients is asked at the latest now; a document
/// belongs to the connection.
pub(in crate::auth) async fn known(
    engine: &Engine,
    entrance: &mut Entrance,
    callback_url: &str,
) -> Result<Option<Client>, FlowError> {
    let refused = |message: &str| FlowError::new(FlowErrorKind::ProviderConfig, message);
    match entrance.provider.client_registration {
        Some(ClientRegistration::Cimd) => {
            if !document::can_be_read(engine) {
                return Err(refused(
                    "the provider reads a document about us, for which the public URL must be HTTPS",
                ));
            }
            let id = document::address(engine, &entrance.environment, &entrance.integration);
            Ok(Some(Client { id, secret: None }))
        }
        Some(ClientRegistration::Dynamic) if entrance.integration.client_id.is_none() => {
            let (environment, provider) = (&entrance.environment, &entrance.provider);
            let client = at_provider(engine, environment, provider, callback_url).await?;
            let pk = entrance.integration.pk;
            if let Some(row) = keep(engine, pk, client).await? {
                entrance.integration = row;
            }
            Ok(None)
        }
        Some(ClientRegistration::Dynamic | ClientRegistration::Static) | None => Ok(None),
    }
}

/// Registers a client at the address that the catalogue has.
pub(crate) async fn at_provider(
    engine: &Engine,
    environment: &EnvironmentRow,
    provider: &Provider,
    callback_url: &str,
) -> Result<Client, crate::auth::request::TokenFailure> {
    let address = provider.registration_url.as_deref().unwrap_or_default();
    let endpoint = Url::parse(address).map_err(|_| {
        let reason = "the provider has no address to register clients at";
        crate::auth::request::TokenFailure::ours("registration_url", reason)
    })?;
    let name = document::client_name(environment, None, provider);
    let more = &provider.registration_params;
    register(engine, endpoint, callback_url, &name, more).await
}

/// Keeps a client with its integration, unless somebody else was quicker: then theirs counts.
async fn keep(
    engine: &Engine,
    integration: IntegrationPk,
    client: Client,
) -> Result<Option<IntegrationRow>, StoreError> {
    let now = engine.clock.now();
    engine
        .store
        .write(move |tx| async move {
            let Some(mut row) = tx.find_integration_by_pk(integration).await? else {
                return Ok(None);
            };
            if row.client_id.is_none() {
                row.client_id = Some(client.id);
                row.secrets.client_secret = client.secret;
                row.updated_at = now;
                tx.update_integration(&row).await?;
            }
            Ok(Some(row))
        })
        .await
}
