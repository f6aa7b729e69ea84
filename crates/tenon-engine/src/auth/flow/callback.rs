//! The way back from the provider.

use serde_json::{Map, Value};
use tenon_core::{auth::AuthMode, names::ConnectionId};
use tenon_providers::Provider;
use url::Url;

use super::{
    FlowError, FlowErrorKind,
    installation::{self, Brought},
    oauth1,
    pending::{self, Pending, Taken},
};
use crate::{
    Engine,
    auth::{
        conclude::{self, Failure, Flow},
        issue::{self, CodeGrant, Issued, Party},
        oauth2::{Client, token::CodeExchange},
    },
    connections::SettleError,
    proxy::{self, Candidate},
};

/// Names under which providers send the state back.
const STATE_NAMES: [&str; 3] = ["state", "payload", "customField"];

/// What providers say about a refusal.
const ERROR_NAMES: [&str; 6] = [
    "error",
    "error_description",
    "error_reason",
    "error_uri",
    "status_code",
    "error_message",
];

/// A browser that came back.
#[derive(Clone, Debug, Default)]
pub struct Callback {
    /// The query, texts by name.
    pub query: Map<String, Value>,
    /// Names of the cookies it brought.
    pub cookies: Vec<String>,
    /// The integration in the path, where the callback URL has one.
    pub integration: Option<String>,
    /// Whether it is a browser; others have nothing that could be stolen.
    pub from_browser: bool,
}

impl Callback {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.query
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    /// The state of the flow, wherever the provider put it.
    pub fn state(&self) -> Option<&str> {
        STATE_NAMES.iter().find_map(|name| self.text(name))
    }

    /// What the provider said about its refusal, as JSON text.
    pub fn refusal(&self) -> Option<String> {
        let said: Map<String, Value> = ERROR_NAMES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.query.get(*name)?.clone())))
            .collect();
        (!said.is_empty()).then(|| Value::Object(said).to_string())
    }

    /// Whether the browser is the one that began. A cookie of the flow's own proves it; only somebody who is no browser
    /// and has no cookies at all is believed without.
    fn is_same_browser(&self, pending: &Pending, state: &str) -> bool {
        let name = cookie_name(state);
        let is_bare = !self.from_browser && self.cookies.is_empty() && !pending.began_in_browser;
        !pending.has_cookie || is_bare || self.cookies.contains(&name)
    }
}

/// The cookie of a flow.
pub fn cookie_name(state: &str) -> String {
    format!("oauth2-{state}")
}

/// Ends the flow that a callback belongs to. Whatever happens, its state is used up.
pub async fn finish(engine: &Engine, callback: &Callback) -> Result<(), FlowError> {
    let Some(state) = callback.state() else {
        let message = match callback.refusal() {
            Some(said) => said,
            None => "the provider did not send the `state` of the flow back".to_owned(),
        };
        tracing::info!("a callback was refused: it has no `state`");
        return Err(FlowError::new(FlowErrorKind::State, message));
    };
    let taken = pending::take(engine, state).await?;
    let Some(taken) = taken else {
        // It belongs to no connection: this is the only trace of it.
        tracing::info!("a callback was refused: its `state` is unknown or was used already");
        let message = "this flow is unknown, or it has ended already; please start again";
        return Err(FlowError::new(FlowErrorKind::State, message));
    };
    let Taken {
        environment,
        integration,
        is_expired,
        pending,
    } = taken;
    let found = engine.reader().find_integration_by_pk(integration).await?;
    let Some(integration) = found else {
        let message = format!(
            "the integration `{}` does not exist any more",
            pending.integration_key
        );
        return Err(FlowError::new(FlowErrorKind::ProviderConfig, message));
    };
    let session = match pending.session {
        Some(pk) => engine.reader().find_connect_session_by_pk(pk).await?,
        None => None,
    };
    let connection_id = ConnectionId::imported(&pending.connection_id)
        .map_err(|_| FlowError::new(FlowErrorKind::State, "the flow names no connection"))?;
    let flow = Flow {
        environment,
        integration,
        mode: pending.mode,
        connection_id,
        connection_config: pending.connection_config.clone(),
        session,
        first_metadata: pending.settings.clone(),
        ws_client_id: pending.ws_client_id.clone(),
        device_flow: None,
        operation_id: Some(pending.operation_id.clone()),
        is_pending: false,
    };
    let outcome = run(engine, callback, &flow, &pending, state, is_expired).await;
    let Err(error) = outcome else { return Ok(()) };
    if error.kind == FlowErrorKind::Validation {
        // Told already, with the connection.
        return Err(error);
    }
    let failure = Failure {
        kind: error.kind.as_str(),
        webhook_type: error.kind.webhook_type().to_owned(),
        message: error.message.clone(),
    };
    if let Err(error) = conclude::give_up(engine, &flow, failure).await {
        tracing::error!("could not note that a flow failed: {error}");
    }
    Err(error)
}

async fn run(
    engine: &Engine,
    callback: &Callback,
    flow: &Flow,
    pending: &Pending,
    state: &str,
    is_expired: bool,
) -> Result<(), FlowError> {
    if is_expired {
        let message = "the flow took too long; please start again";
        return Err(FlowError::new(FlowErrorKind::State, message));
    }
    if !callback.is_same_browser(pending, state) {
        let message = "the flow was begun in another browser; please start again in this one";
        return Err(FlowError::new(FlowErrorKind::StateCookie, message));
    }
    let provider = engine
        .catalogue
        .find(&flow.integration.provider)
        .ok_or_else(|| {
            FlowError::new(
                FlowErrorKind::ProviderConfig,
                "the provider is not in the catalogue any more",
            )
        })?;
    if callback.integration != pending.own_callback {
        let message = "the browser came back to the address of another integration";
        return Err(FlowError::new(FlowErrorKind::Callback, message));
    }
    // Refusals carry the name, too (RFC 9207, 2): a stranger's words are not the provider's.
    check_issuer(callback, pending, &provider)?;
    if let Some(said) = callback.refusal() {
        return Err(FlowError::new(FlowErrorKind::Callback, said));
    }
    let said = redirect_metadata(&provider, callback);
    let mut config = said.clone();
    config.extend(given(&flow.connection_config, &said));
    let party = Party {
        engine,
        provider: &provider,
        integration: &flow.integration,
        connection_config: &config,
    };
    let mut flow = flow.clone();
    let mut issued = match flow.mode {
        AuthMode::Custom => {
            match installation::brought(party, callback, pending, &flow, state).await? {
                Brought::Credentials(issued) => issued,
                Brought::Waiting(issued) => {
                    flow.is_pending = true;
                    issued
                }
                Brought::Existing(id) => return Ok(conclude::reuse(engine, &flow, &id).await?),
            }
        }
        _ => obtain(party, callback, pending, state).await?,
    };
    issued.connection_config.extend(said);
    let issued = issue::complete(party, flow.mode, issued).await?;
    match conclude::connect(engine, &flow, &issued).await {
        Ok(_) => Ok(()),
        Err(SettleError::Rejected(error)) => {
            Err(FlowError::new(FlowErrorKind::Validation, error.message))
        }
        Err(SettleError::Store(error)) => Err(error.into()),
    }
}

/// What a person or the session gave; empty texts leave room for what the provider says.
fn given(config: &Map<String, Value>, said: &Map<String, Value>) -> Map<String, Value> {
    let kept = config
        .iter()
        .filter(|(name, value)| value.as_str() != Some("") || !said.contains_key(*name));
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A provider that names itself must be the one that this flow went to (RFC 9207): its code is not for another. Where
/// the provider file says the name it must be equal; else the host must be one that the flow went to.
fn check_issuer(
    callback: &Callback,
    pending: &Pending,
    provider: &Provider,
) -> Result<(), FlowError> {
    let Some(given) = callback.text("iss") else {
        if provider.authorization_response_iss_parameter_supported {
            let message = "the provider did not say who it is, and it always does";
            return Err(FlowError::new(FlowErrorKind::Callback, message));
        }
        return Ok(());
    };
    let is_theirs = match &pending.issuer {
        Some(issuer) => given == issuer,
        None => is_known_host(given, &pending.issuer_hosts),
    };
    if is_theirs {
        return Ok(());
    }
    let message = "the code was issued by somebody else than the provider that was asked";
    Err(FlowError::new(FlowErrorKind::Callback, message))
}

fn is_known_host(issuer: &str, known: &[String]) -> bool {
    let url = Url::parse(issuer).ok();
    let host = url.as_ref().and_then(Url::host_str);
    host.is_some_and(|host| known.iter().any(|known| same_site(known, host)))
}

/// Equal hosts, or hosts under the same registered name (`login.example.com`, `example.com`).
fn same_site(one: &str, other: &str) -> bool {
    let site = |host: &str| -> String {
        let labels: Vec<&str> = host.rsplit('.').take(2).collect();
        labels.join(".")
    };
    let is_name = |host: &str| host.contains('.') && host.parse::<std::net::IpAddr>().is_err();
    one == other || (is_name(one) && is_name(other) && site(one) == site(other))
}

async fn obtain(
    party: Party<'_>,
    callback: &Callback,
    pending: &Pending,
    state: &str,
) -> Result<Issued, FlowError> {
    let missing = |name: &str| {
        FlowError::new(
            FlowErrorKind::Callback,
            format!("the provider did not send `{name}` back"),
        )
    };
    match pending.mode {
        AuthMode::OAuth2 | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic => {
            let name = party
                .provider
                .authorization_code_param_in_callback
                .as_deref();
            let name = name.unwrap_or("code");
            let code = callback.text(name).ok_or_else(|| missing(name))?;
            Ok(exchange(party, pending, code, state).await?)
        }
        AuthMode::OAuth1 => {
            let token = callback
                .text("oauth_token")
                .ok_or_else(|| missing("oauth_token"))?;
            let verifier = callback
                .text("oauth_verifier")
                .ok_or_else(|| missing("oauth_verifier"))?;
            let secret = pending
                .request_token_secret
                .as_ref()
                .map_or("", |secret| secret.expose());
            Ok(oauth1::exchange(party, token, secret, verifier).await?)
        }
        AuthMode::App => install(party, callback).await,
        AuthMode::InstallPlugin => plug_in(party).await,
        other => Err(FlowError::new(
            FlowErrorKind::AuthMode,
            format!("connecting by `{other}` is not supported yet"),
        )),
    }
}

pub(super) async fn exchange(
    party: Party<'_>,
    pending: &Pending,
    code: &str,
    state: &str,
) -> Result<Issued, crate::auth::request::TokenFailure> {
    let own = pending.client.clone().map(Client::from);
    let grant = CodeGrant {
        exchange: CodeExchange {
            code,
            redirect_uri: &pending.callback_url,
            code_verifier: pending
                .code_verifier
                .as_ref()
                .map(|verifier| verifier.expose().as_str()),
        },
        state,
        client_override: own.as_ref(),
        refresh_token_override: pending
            .refresh_token
            .as_ref()
            .map(|token| token.expose().as_str()),
    };
    issue::exchange(party, &grant).await
}

async fn install(party: Party<'_>, callback: &Callback) -> Result<Issued, FlowError> {
    if callback.text("setup_action") == Some("request") {
        return Err(FlowError::new(
            FlowErrorKind::AuthMode,
            "the installation waits for an owner's approval; connect again when it is there",
        ));
    }
    let installation = callback.text(issue::INSTALLATION).ok_or_else(|| {
        FlowError::new(
            FlowErrorKind::Callback,
            "the provider did not name the installation",
        )
    })?;
    let mut given = Map::new();
    given.insert(issue::INSTALLATION.to_owned(), installation.into());
    let mut issued = issue::issue(party, AuthMode::App, &given).await?;
    issued
        .connection_config
        .insert(issue::INSTALLATION.to_owned(), installation.into());
    if let Some(app_id) = &party.integration.secrets.app_id {
        issued
            .connection_config
            .insert("app_id".to_owned(), app_id.as_str().into());
    }
    Ok(issued)
}

/// A plugin's credentials belong to the owner of the integration; the installation only says whose data they open.
async fn plug_in(party: Party<'_>) -> Result<Issued, FlowError> {
    let custom = party.integration.secrets.custom.expose();
    let mut credentials = Map::new();
    credentials.insert("type".to_owned(), "BASIC".into());
    for name in ["username", "password"] {
        let value = custom.get(name).cloned().ok_or_else(|| {
            FlowError::new(
                FlowErrorKind::ProviderConfig,
                format!("the integration has no `{name}`"),
            )
        })?;
        credentials.insert(name.to_owned(), value);
    }
    let config = party.integration.full_config();
    let candidate = Candidate {
        credentials: &credentials,
        connection_config: party.connection_config,
        integration_config: &config,
        client_id: party.integration.client_id.as_deref(),
        client_secret: None,
    };
    proxy::verify(party.engine, &party.integration.provider, candidate)
        .await
        .map_err(|error| FlowError::new(FlowErrorKind::TestFailed, error.reason))?;
    Ok(Issued {
        credentials,
        expires_at: None,
        connection_config: Map::new(),
    })
}

/// Query parameters of the callback that the provider wants kept.
fn redirect_metadata(provider: &Provider, callback: &Callback) -> Map<String, Value> {
    let names = provider.redirect_uri_metadata.iter();
    let kept = names.filter_map(|name| Some((name.clone(), callback.text(name)?.into())));
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::same_site;

    #[test]
    fn issuers_are_compared_by_site() {
        for (one, other, same) in [
            ("login.example.com", "example.com", true),
            ("a.example.com", "b.example.com", true),
            ("example.com", "example.org", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "10.0.0.1", false),
            ("localhost", "localhost", true),
            ("localhost", "example.com", false),
        ] {
            assert_eq!(same_site(one, other), same, "{one} {other}");
        }
    }
}
