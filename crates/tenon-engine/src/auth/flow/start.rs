//! The way to the provider.

use serde_json::{Map, Value};
use tenon_core::{Secret, auth::AuthMode};
use tenon_providers::{Provider, template};
use tenon_store::{StoreError, connect_attempts::AttemptKey};
use url::Url;

use super::{
    FlowError, FlowErrorKind, MODES, oauth1,
    pending::{self, OwnClient, Pending},
};
use crate::{
    Engine,
    auth::{
        entrance::{Entrance, EntranceError, Visitor},
        issue::{Party, Vars},
        mcp,
        oauth2::{
            Client,
            authorize::{self, Authorize},
            pkce,
        },
        sockets::{self, FlowResult},
    },
    operations::{NewOperation, OperationKind, OperationState},
};

/// Where providers send browsers back to, behind the public URL.
const CALLBACK_PATH: &str = "/oauth/callback";

/// A flow to start.
#[derive(Clone, Debug)]
pub struct Start {
    pub visitor: Visitor,
    pub overrides: Overrides,
    /// The socket that waits for the result.
    pub ws_client_id: Option<String>,
    /// Whether a browser asks; then the cookie of the flow has to come back.
    pub from_browser: bool,
}

/// `credentials[…]` in the query: the end user's own app, or a refresh token given beforehand.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub refresh_token: Option<Secret>,
}

/// Where the browser goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    pub url: String,
    /// The flow's `state`: names the cookie to set.
    pub cookie: Option<String>,
}

/// The callback URL of an environment.
pub fn callback_url(engine: &Engine, own: Option<&str>) -> String {
    own.map_or_else(
        || format!("{}{CALLBACK_PATH}", engine.settings.public_url),
        str::to_owned,
    )
}

/// Starts a flow. Failures are told to the socket, too, except those of [`EntranceError::NotAllowed`] and
/// [`EntranceError::InvalidConnection`], which the caller answers as plain errors.
pub async fn start(
    engine: &Engine,
    start: Start,
) -> Result<Redirect, Result<FlowError, EntranceError>> {
    let socket = start.ws_client_id.clone();
    let integration_key = start.visitor.integration_key.clone();
    let named = start
        .visitor
        .connection_id
        .as_ref()
        .map(ToString::to_string);
    let entered = start.visitor.clone().enter(engine, &MODES).await;
    let entrance = match entered {
        Ok(entrance) => entrance,
        Err(error @ (EntranceError::NotAllowed(_) | EntranceError::InvalidConnection)) => {
            return Err(Err(error));
        }
        Err(error) => {
            let error = FlowError::from(error);
            tell(
                engine,
                socket.as_deref(),
                &integration_key,
                named.as_deref().unwrap_or(""),
                &error,
            )
            .await;
            return Err(Ok(error));
        }
    };
    let connection_id = entrance.connection_id.to_string();
    match begin(engine, entrance, start).await {
        Ok(redirect) => Ok(redirect),
        Err(error) => {
            tell(
                engine,
                socket.as_deref(),
                &integration_key,
                &connection_id,
                &error,
            )
            .await;
            Err(Ok(error))
        }
    }
}

/// Tells the page that the flow ended before it began. Nothing is stored, so nothing else can fail with it.
async fn tell(
    engine: &Engine,
    socket: Option<&str>,
    integration_key: &str,
    connection_id: &str,
    error: &FlowError,
) {
    let Some(socket) = socket.map(str::to_owned) else {
        return;
    };
    let (inner, error) = (engine.clone(), error.clone());
    let (integration_key, connection_id) = (integration_key.to_owned(), connection_id.to_owned());
    let told: Result<(), StoreError> = engine
        .store
        .write(move |tx| async move {
            let result = FlowResult::Failed {
                kind: error.kind.as_str(),
                message: &error.message,
            };
            sockets::publish(
                &tx,
                &inner,
                &socket,
                &integration_key,
                &connection_id,
                result,
            )
            .await
        })
        .await;
    if let Err(error) = told {
        tracing::warn!("could not tell a page that its flow failed: {error}");
    }
}

async fn begin(
    engine: &Engine,
    mut entrance: Entrance,
    start: Start,
) -> Result<Redirect, FlowError> {
    let state = engine.ids.uuid4().to_string();
    // Apps and plugins come back to where their owner registered them, MCP servers to where our document says.
    let names_callback = matches!(
        entrance.provider.auth_mode,
        AuthMode::OAuth1 | AuthMode::OAuth2
    );
    let own_callback = (names_callback && entrance.integration.own_callback)
        .then(|| entrance.integration.unique_key.clone());
    let mut callback_url = callback_url(engine, entrance.environment.callback_url.as_deref());
    if let Some(key) = &own_callback {
        // A code that arrives there can only be this provider's. Keys of integrations need no encoding in a path.
        callback_url = format!("{}/{key}", callback_url.trim_end_matches('/'));
    }
    let (own, refresh_token) = take_overrides(&mut entrance.connection_config, start.overrides);
    let own = match entrance.provider.auth_mode {
        AuthMode::McpOAuth2Generic => {
            let given = own.map(Client::from);
            let client = mcp::prepare(engine, &mut entrance, given, &callback_url).await?;
            Some(OwnClient::from(client))
        }
        AuthMode::McpOAuth2 if own.is_none() => {
            let client = mcp::known(engine, &mut entrance, &callback_url).await?;
            client.map(OwnClient::from)
        }
        _ => own,
    };
    let way = match entrance.provider.auth_mode {
        AuthMode::OAuth2 | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic => {
            oauth2(engine, &entrance, own.as_ref(), &state, &callback_url)?
        }
        AuthMode::OAuth1 => oauth1::begin(engine, &entrance, &state, &callback_url).await?,
        AuthMode::App | AuthMode::Custom => installation(engine, &entrance, &state)?,
        AuthMode::InstallPlugin => plugin(&entrance, &state)?,
        other => {
            return Err(FlowError::new(
                FlowErrorKind::AuthMode,
                format!("connecting by `{other}` is not supported yet"),
            ));
        }
    };
    let has_cookie = !matches!(
        entrance.provider.auth_mode,
        AuthMode::OAuth1 | AuthMode::InstallPlugin
    );
    let issuer_hosts = issuer_hosts(engine, &entrance, &way.url);
    let mut pending = Pending {
        integration_key: entrance.integration.unique_key.clone(),
        provider: entrance.integration.provider.clone(),
        mode: entrance.provider.auth_mode,
        connection_id: entrance.connection_id.to_string(),
        callback_url,
        code_verifier: way.code_verifier,
        request_token_secret: way.request_token_secret,
        client: own,
        refresh_token,
        session: entrance.session.as_ref().map(|session| session.pk),
        connection_config: entrance.connection_config.clone(),
        ws_client_id: start.ws_client_id,
        operation_id: String::new(),
        has_cookie,
        began_in_browser: start.from_browser,
        issuer_hosts,
        issuer: issuer(engine, &entrance),
        own_callback,
        settings: entrance.settings.clone(),
    };
    let cookie = has_cookie.then(|| state.clone());
    let inner = engine.clone();
    let (environment, integration) = (entrance.environment.pk, entrance.integration.pk);
    let parent = entrance
        .session
        .as_ref()
        .and_then(|session| session.operation_id.clone());
    let stored: Result<(), StoreError> = engine
        .store
        .write(move |tx| async move {
            let operation = NewOperation {
                state: OperationState::Waiting,
                parent,
                ..NewOperation::new(environment, OperationKind::Auth, "connect").about(
                    &pending.integration_key,
                    &pending.connection_id,
                    None,
                )
            };
            pending.operation_id = inner.operations.start(&tx, operation).await?;
            if let Some(session) = pending.session {
                let attempt = AttemptKey {
                    session,
                    operation_id: Some(&pending.operation_id),
                };
                let socket = pending.ws_client_id.as_deref();
                let (key, id) = (&pending.integration_key, &pending.connection_id);
                tx.begin_connect_attempt(attempt, socket, key, id, inner.clock.now())
                    .await?;
            }
            if let Some(socket) = &pending.ws_client_id {
                tx.delete_auth_result(socket).await?;
            }
            pending::put(&tx, &inner, &state, environment, integration, &pending).await
        })
        .await;
    stored?;
    Ok(Redirect {
        url: way.url,
        cookie,
    })
}

/// Overrides may come in the query or, with a session, in its connection config. They are secrets: none of them stays
/// in the connection config.
fn take_overrides(
    config: &mut Map<String, Value>,
    given: Overrides,
) -> (Option<OwnClient>, Option<Secret>) {
    let mut configured = |name: &str| match config.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    let id = configured("oauth_client_id_override");
    let secret = configured("oauth_client_secret_override").map(Secret::new);
    let refresh_token = configured("oauth_refresh_token_override").map(Secret::new);
    let id = given.client_id.filter(|id| !id.is_empty()).or(id);
    let secret = given.client_secret.or(secret);
    let refresh_token = given.refresh_token.or(refresh_token);
    if refresh_token.is_some() {
        config.insert("overrideTokenRefresh".to_owned(), true.into());
    }
    let own = id.map(|id| OwnClient { id, secret });
    (own, refresh_token)
}

/// Where to go, and what the callback will need.
pub(super) struct Way {
    pub url: String,
    pub code_verifier: Option<Secret>,
    pub request_token_secret: Option<Secret>,
}

fn oauth2(
    engine: &Engine,
    entrance: &Entrance,
    own: Option<&OwnClient>,
    state: &str,
    callback_url: &str,
) -> Result<Way, FlowError> {
    let provider = &entrance.provider;
    let client_id = client_id(entrance, own)?;
    check_grant_type(provider)?;
    let vars = Vars::new(&party(engine, entrance));
    check_parameters(provider, &vars)?;
    let is_mcp = is_public(provider);
    let verifier = (is_mcp || !provider.disable_pkce).then(|| pkce::verifier(&engine.ids));
    let challenge = verifier.as_deref().map(pkce::challenge);
    let scopes = match &entrance.scopes_override {
        Some(scopes) => scopes.clone(),
        None => authorize::scopes(entrance.integration.scopes.as_deref()),
    };
    // A provider with a second token has a second list of scopes.
    let has_user_token = provider.alternate_access_token_response_path.is_some();
    let authorize = Authorize {
        provider,
        client_id: &client_id,
        redirect_uri: callback_url,
        scopes: &scopes,
        state,
        code_challenge: challenge.as_deref(),
        params: &entrance.authorization_params,
        user_scope: entrance.user_scope.as_deref().filter(|_| has_user_token),
    };
    let url = vars.with(|context| authorize::url(&authorize, context))?;
    Ok(Way {
        url,
        code_verifier: verifier.map(Secret::new),
        request_token_secret: None,
    })
}

/// The app to authorise; without its id and secret the code could never be exchanged.
fn client_id(entrance: &Entrance, own: Option<&OwnClient>) -> Result<String, FlowError> {
    if let Some(own) = own {
        return Ok(own.id.clone());
    }
    let integration = &entrance.integration;
    let has_secret = is_public(&entrance.provider) || integration.secrets.client_secret.is_some();
    integration
        .client_id
        .clone()
        .filter(|id| !id.is_empty() && has_secret)
        .ok_or_else(|| {
            FlowError::new(
                FlowErrorKind::ProviderConfig,
                format!(
                    "integration `{}` has no client id or no client secret",
                    integration.unique_key
                ),
            )
        })
}

/// Whether a client needs no secret: what proves it is the verifier, which is never left out then.
const fn is_public(provider: &Provider) -> bool {
    matches!(
        provider.auth_mode,
        AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic
    )
}

fn check_grant_type(provider: &Provider) -> Result<(), FlowError> {
    match provider
        .token_params
        .get("grant_type")
        .and_then(Value::as_str)
    {
        None | Some("authorization_code") => Ok(()),
        Some(other) => Err(FlowError::new(
            FlowErrorKind::GrantType,
            format!("the provider's grant type `{other}` does not go through a browser"),
        )),
    }
}

/// Everything that the provider will ask for must be known before anybody is sent away.
fn check_parameters(provider: &Provider, vars: &Vars) -> Result<(), FlowError> {
    let missing = vars.with(|context| {
        let texts = provider
            .authorization_params
            .values()
            .chain(provider.token_params.values())
            .filter_map(Value::as_str)
            .chain(provider.authorization_url.as_deref());
        let open = texts.flat_map(|text| template::unresolved(text, context));
        open.filter(|path| path.starts_with("connectionConfig."))
            .collect::<Vec<_>>()
    });
    match missing.first() {
        None => Ok(()),
        Some(path) => {
            let name = path.trim_start_matches("connectionConfig.");
            let message = format!("the parameter `{name}` is missing");
            Err(FlowError::new(FlowErrorKind::UrlParam, message))
        }
    }
}

/// To the page where a person installs the app.
fn installation(engine: &Engine, entrance: &Entrance, state: &str) -> Result<Way, FlowError> {
    let mut vars = Vars::new(&party(engine, entrance));
    let mut link = Map::new();
    if let Some(app_link) = &entrance.integration.app_link {
        link.insert(
            "appPublicLink".to_owned(),
            app_link.trim_end_matches('/').into(),
        );
    }
    vars.object("connectionConfig", link);
    let template = entrance
        .provider
        .authorization_url
        .as_deref()
        .unwrap_or_default();
    let mut url = vars.with(|context| template::render_url_raw(template, context))?;
    url.query_pairs_mut().append_pair("state", state);
    Ok(Way {
        url: url.into(),
        code_verifier: None,
        request_token_secret: None,
    })
}

/// To the page where a person installs the plugin.
fn plugin(entrance: &Entrance, state: &str) -> Result<Way, FlowError> {
    let integration = &entrance.integration;
    // The public API has no field for it: it comes with the plugin's other settings.
    let own = integration.secrets.custom.expose().get("app_link");
    let link = integration
        .app_link
        .as_deref()
        .or_else(|| own.and_then(Value::as_str));
    let link = link.unwrap_or_default();
    let mut url = Url::parse(link).map_err(|_| {
        FlowError::new(
            FlowErrorKind::ProviderConfig,
            "the integration has no app link",
        )
    })?;
    url.query_pairs_mut().append_pair("payload", state);
    Ok(Way {
        url: url.into(),
        code_verifier: None,
        request_token_secret: None,
    })
}

/// Whose code this flow takes: a provider that names itself in the callback must be one of these.
fn issuer_hosts(engine: &Engine, entrance: &Entrance, url: &str) -> Vec<String> {
    let vars = Vars::new(&party(engine, entrance));
    let token_url = entrance
        .provider
        .token_url()
        .and_then(|template| vars.with(|context| template::render_url(template, context).ok()));
    let urls = [Url::parse(url).ok(), token_url];
    let hosts = urls.iter().flatten().filter_map(Url::host_str);
    hosts.map(str::to_owned).collect()
}

/// The name that the provider file gives the provider, if it does and everything in it is known.
fn issuer(engine: &Engine, entrance: &Entrance) -> Option<String> {
    let template = entrance.provider.issuer.as_deref()?;
    Vars::new(&party(engine, entrance)).fill_text(template)
}

pub(super) fn party<'a>(engine: &'a Engine, entrance: &'a Entrance) -> Party<'a> {
    Party {
        engine,
        provider: &entrance.provider,
        integration: &entrance.integration,
        connection_config: &entrance.connection_config,
    }
}
