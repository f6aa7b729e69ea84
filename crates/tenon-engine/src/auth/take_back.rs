//! Telling a provider that a connection ends (auth-and-proxy.md, 6.10).

use serde_json::{Map, Value};
use tenon_core::auth::{AuthMode, CredentialsJson};
use tenon_store::connections::ConnectionRow;

use crate::{
    Engine,
    proxy::{self, Candidate},
};

/// Makes the calls that a provider wants before a connection is deleted. What fails is noted, and stops nobody: the
/// person wants the connection gone.
pub(crate) async fn take_back(engine: &Engine, row: &ConnectionRow) {
    let Some(provider) = engine.catalogue.find(&row.provider) else {
        return;
    };
    if provider.pre_connection_deletion.is_empty() {
        return;
    }
    let reader = engine.reader();
    let credentials = reader.open_credentials(row).await;
    let integration = reader.find_integration_by_pk(row.integration).await;
    let (Ok(credentials), Ok(Some(integration))) = (credentials, integration) else {
        return;
    };
    let config: Map<String, Value> =
        serde_json::from_str(&row.connection_config).unwrap_or_default();
    let settings = integration.full_config();
    let mode = AuthMode::parse(&row.auth_mode).unwrap_or(provider.auth_mode);
    let secret = integration.secrets.client_secret.as_ref();
    for call in &provider.pre_connection_deletion {
        let candidate = Candidate {
            credentials: &credentials as &CredentialsJson,
            connection_config: &config,
            integration_config: &settings,
            client_id: integration.client_id.as_deref(),
            client_secret: secret.map(|secret| secret.expose().as_str()),
        };
        if let Err(error) = proxy::ask(engine, &provider, mode, candidate, call).await {
            tracing::warn!(
                connection.id = %row.connection_id,
                "`{}` was not told that a connection ends: {}",
                provider.name,
                error.reason
            );
        }
    }
}
