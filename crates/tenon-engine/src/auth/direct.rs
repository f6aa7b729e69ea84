//! Flows without a browser redirect: somebody posts credentials (auth-and-proxy.md, 3.5).

use serde_json::{Map, Value};
use tenon_core::auth::{AuthMode, CredentialsJson};
use tenon_store::StoreError;

use super::{
    conclude::{self, Failure, Flow},
    entrance::{Entrance, EntranceError, Visitor},
    issue::{self, Issued, Party},
    request::TokenFailure,
};
use crate::{
    Engine,
    connections::{SavedConnection, SettleError},
    proxy::{self, Candidate},
    work::ConnectionRejected,
};

/// Why nothing was connected.
#[derive(Debug, thiserror::Error)]
pub enum DirectError {
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    /// Something that the mode needs was not given.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// The provider gave no token for them.
    #[error(transparent)]
    Token(TokenFailure),
    /// The provider does not accept them.
    #[error("the provider does not accept these credentials: {0}")]
    TestFailed(String),
    /// A function of the integration refused the connection.
    #[error(transparent)]
    Rejected(ConnectionRejected),
    #[error("store failed while connecting")]
    Store(#[from] StoreError),
}

impl From<SettleError> for DirectError {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::Rejected(error) => Self::Rejected(error),
            SettleError::Store(error) => Self::Store(error),
        }
    }
}

/// Connects with credentials that somebody entered. `given` has the members of the body, `mode` is that of the route.
pub async fn connect(
    engine: &Engine,
    visitor: Visitor,
    mode: AuthMode,
    mut given: Map<String, Value>,
) -> Result<SavedConnection, DirectError> {
    let entrance = visitor.enter(engine, &[mode]).await?;
    let mut flow = flow(&entrance, mode);
    check_parameters(mode, &entrance)?;
    if mode == AuthMode::AwsSigV4 {
        let id = entrance.connection_id.as_str();
        issue::aws::keep_of_connection(engine, &entrance.integration, id, &mut given).await?;
    }
    let asked_for = flow.connection_config.clone();
    let party = Party {
        engine,
        provider: &entrance.provider,
        integration: &entrance.integration,
        connection_config: &asked_for,
    };
    let issued = match taken_as_given(mode, &given) {
        Some(credentials) => Issued {
            credentials,
            expires_at: None,
            connection_config: Map::new(),
        },
        None => match issue::issue(party, mode, &given).await {
            Ok(issued) => issued,
            Err(failure) => return Err(give_up(engine, &flow, failure).await),
        },
    };
    if is_verified(mode) {
        verify(party, &issued.credentials).await?;
    }
    if mode == AuthMode::AwsSigV4 {
        prove_role(party, &issued.credentials).await?;
        // Where the role is assumed is decided; the browser's wishes are over.
        let decided = |name: &String| issued.connection_config.contains_key(name);
        flow.connection_config.retain(|name, _| !decided(name));
    }
    let issued = match issue::complete(party, mode, issued).await {
        Ok(issued) => issued,
        Err(failure) => return Err(give_up(engine, &flow, failure).await),
    };
    Ok(conclude::connect(engine, &flow, &issued).await?)
}

fn flow(entrance: &Entrance, mode: AuthMode) -> Flow {
    let mut connection_config = entrance.connection_config.clone();
    if mode == AuthMode::OAuth2ClientCredentials && !entrance.authorization_params.is_empty() {
        let params = Value::Object(entrance.authorization_params.clone());
        connection_config.insert("authorization_params".to_owned(), params);
    }
    Flow {
        environment: entrance.environment.pk,
        integration: entrance.integration.clone(),
        mode,
        connection_id: entrance.connection_id.clone(),
        connection_config,
        session: entrance.session.clone(),
        // As the reference answers: only this one starts without metadata.
        first_metadata: entrance
            .settings
            .clone()
            .or_else(|| (mode != AuthMode::OAuth2ClientCredentials).then(Map::new)),
        ws_client_id: None,
        device_flow: None,
        operation_id: None,
        is_pending: false,
    }
}

fn check_parameters(mode: AuthMode, entrance: &Entrance) -> Result<(), DirectError> {
    let account = entrance
        .connection_config
        .get("accountId")
        .and_then(Value::as_str);
    if mode == AuthMode::Tba && account.is_none_or(str::is_empty) {
        return Err(DirectError::Missing("accountId"));
    }
    Ok(())
}

/// Modes whose credentials are what was entered.
fn taken_as_given(mode: AuthMode, given: &Map<String, Value>) -> Option<CredentialsJson> {
    let names: &[&str] = match mode {
        AuthMode::ApiKey => &["apiKey"],
        AuthMode::Basic => &["username", "password"],
        AuthMode::Tba => &["token_id", "token_secret"],
        AuthMode::None => return Some(CredentialsJson::new()),
        _ => return None,
    };
    let mut credentials = CredentialsJson::new();
    credentials.insert("type".to_owned(), mode.as_str().into());
    for name in names {
        let value = given.get(*name).cloned().unwrap_or_else(|| "".into());
        credentials.insert((*name).to_owned(), value);
    }
    if mode == AuthMode::Tba {
        let own = [
            ("client_id", "oauth_client_id_override"),
            ("client_secret", "oauth_client_secret_override"),
        ];
        let own: Map<String, Value> = own
            .iter()
            .filter_map(|(name, from)| Some(((*name).to_owned(), given.get(*from)?.clone())))
            .collect();
        credentials.insert("config_override".to_owned(), Value::Object(own));
    }
    Some(credentials)
}

/// Modes whose credentials are tried before they are stored (auth-and-proxy.md, 6.2).
const fn is_verified(mode: AuthMode) -> bool {
    matches!(
        mode,
        AuthMode::ApiKey | AuthMode::Basic | AuthMode::Tba | AuthMode::Jwt | AuthMode::Signature
    )
}

async fn prove_role(party: Party<'_>, credentials: &CredentialsJson) -> Result<(), DirectError> {
    issue::aws::prove(party, credentials)
        .await
        .map_err(|failure| DirectError::TestFailed(failure.reason))
}

async fn verify(party: Party<'_>, credentials: &CredentialsJson) -> Result<(), DirectError> {
    let integration = party.integration;
    let config = integration.full_config();
    let candidate = Candidate {
        credentials,
        connection_config: party.connection_config,
        integration_config: &config,
        client_id: integration.client_id.as_deref(),
        client_secret: integration
            .secrets
            .client_secret
            .as_ref()
            .map(|secret| secret.expose().as_str()),
    };
    proxy::verify(party.engine, &integration.provider, candidate)
        .await
        .map_err(|error| DirectError::TestFailed(error.reason))
}

async fn give_up(engine: &Engine, flow: &Flow, failure: TokenFailure) -> DirectError {
    let told = Failure {
        kind: "token_err",
        webhook_type: failure.cause.clone(),
        message: failure.reason.clone(),
    };
    match conclude::give_up(engine, flow, told).await {
        Ok(()) => DirectError::Token(failure),
        Err(error) => DirectError::Store(error),
    }
}
