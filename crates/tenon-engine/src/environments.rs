//! Environments: separate worlds with their own keys, variables and webhook settings.

mod connect_ui;
mod functions;

use tenon_core::{
    Secret,
    names::{EnvironmentPk, NameError},
};
use tenon_store::{
    StoreError, Tx,
    environments::{
        ApiKeyRow, EnvironmentRow, FunctionSettingsRow, PublicAccess, WebhookSettingsRow,
    },
};

pub use connect_ui::{Colours, ConnectUi, ConnectUiPatch, Palette, Theme, frame_origins};
pub use functions::{
    EgressMode, FunctionSettings, FunctionSettingsPatch, MAX_EGRESS_HOSTS, TokenMode, Validation,
};

use crate::Engine;

/// Bytes of a webhook signing key, before they are written as hex.
const SIGNING_KEY_BYTES: usize = 32;

/// Scopes of the keys that an operator starts with.
const ALL_SCOPES: &str = r#"["environment:*","account:*"]"#;

/// Most variables of an environment, and most bytes of one value: functions read all of them at once.
const MAX_VARIABLES: usize = 1_000;
const MAX_VARIABLE_BYTES: usize = 64 * 1024;

/// Who may start a flow with the public key (auth-and-proxy.md, 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKeyAuth {
    /// Every browser that knows the key.
    Open,
    /// Only with an HMAC made by the app's backend.
    Hmac,
    /// Nobody.
    Off,
}

impl PublicKeyAuth {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Hmac => "hmac",
            Self::Off => "off",
        }
    }

    /// From the stored word; what is not known is closed.
    pub fn parse(text: &str) -> Self {
        match text {
            "open" => Self::Open,
            "hmac" => Self::Hmac,
            _ => Self::Off,
        }
    }

    /// What a new environment of this name starts with: open where people try things, an HMAC elsewhere, because an
    /// open public key lets any browser overwrite a connection.
    fn for_new(name: &str) -> Self {
        match name {
            "dev" | "demo" => Self::Open,
            _ => Self::Hmac,
        }
    }
}

/// Keys that an operator wants a new environment to have, instead of random ones.
#[derive(Clone, Debug, Default)]
pub struct PinnedKeys {
    /// A UUID of version 4.
    pub secret_key: Option<Secret>,
    /// A UUID of version 4.
    pub public_key: Option<String>,
}

/// Changes to webhook settings; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookSettingsPatch {
    pub primary_url: Option<Option<String>>,
    pub secondary_url: Option<Option<String>>,
    pub on_sync_completion_always: Option<bool>,
    pub on_auth_creation: Option<bool>,
    pub on_auth_refresh_error: Option<bool>,
    pub on_sync_error: Option<bool>,
    pub on_async_action_completion: Option<bool>,
}

/// Why an environment could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    #[error("environment name {0}")]
    Name(NameError),
    #[error("there is no such environment")]
    Unknown,
    #[error("at most {MAX_VARIABLES} variables of at most {MAX_VARIABLE_BYTES} bytes are allowed")]
    TooManyVariables,
    #[error("store failed while changing an environment")]
    Store(#[from] StoreError),
}

/// The environment of this name; made with fresh keys if there is none.
pub async fn ensure(engine: &Engine, name: &str) -> Result<EnvironmentRow, EnvironmentError> {
    ensure_with(engine, name, PinnedKeys::default()).await
}

/// Like [`ensure`], with keys of the operator's choice for a new environment, and its secret key added to one that
/// exists: so that a test bench or a cluster can be set up with known keys.
pub async fn ensure_with(
    engine: &Engine,
    name: &str,
    pinned: PinnedKeys,
) -> Result<EnvironmentRow, EnvironmentError> {
    check_name(name).map_err(EnvironmentError::Name)?;
    let (engine, name) = (engine.clone(), name.to_owned());
    let store = engine.store.clone();
    store
        .write(move |tx| async move {
            let environment = match tx.find_environment_named(&name).await? {
                Some(environment) => environment,
                None => create(&tx, &engine, &name, &pinned).await?,
            };
            if let Some(key) = &pinned.secret_key {
                add_key(&tx, &engine, environment.pk, "pinned", key).await?;
            }
            Ok(environment)
        })
        .await
}

async fn create(
    tx: &Tx,
    engine: &Engine,
    name: &str,
    pinned: &PinnedKeys,
) -> Result<EnvironmentRow, EnvironmentError> {
    let access = PublicKeyAuth::for_new(name);
    let public_key = pinned
        .public_key
        .clone()
        .unwrap_or_else(|| engine.ids.uuid4().to_string());
    let mut environment = EnvironmentRow {
        pk: EnvironmentPk(engine.ids.int()),
        uuid: engine.ids.uuid4().to_string(),
        name: name.to_owned(),
        public_key,
        webhook_signing_key: new_signing_key(engine),
        hmac_key: None,
        hmac_enabled: false,
        public_key_auth: access.as_str().to_owned(),
        callback_url: None,
        webhooks: WebhookSettingsRow {
            primary_url: None,
            secondary_url: None,
            on_sync_completion_always: false,
            on_auth_creation: true,
            on_auth_refresh_error: true,
            on_sync_error: true,
            on_async_action_completion: true,
        },
        functions: FunctionSettingsRow::default(),
    };
    let now = engine.clock.now();
    tx.insert_environment(&environment, now).await?;
    if access == PublicKeyAuth::Hmac {
        environment.hmac_key = Some(Secret::new(engine.ids.hex(SIGNING_KEY_BYTES)));
        environment.hmac_enabled = true;
        tx.set_public_access(environment.pk, &access_of(&environment), now)
            .await?;
    }
    if pinned.secret_key.is_none() {
        let key = Secret::new(engine.ids.uuid4().to_string());
        add_key(tx, engine, environment.pk, "default", &key).await?;
    }
    Ok(environment)
}

/// Changes to who may start flows in browsers, and where providers send them back; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct PublicAccessPatch {
    pub auth: Option<PublicKeyAuth>,
    pub hmac_key: Option<Secret>,
    /// `Some(None)` goes back to this server's own address.
    pub callback_url: Option<Option<String>>,
}

/// Changes who may start flows in browsers. Returns the environment as it is afterwards.
pub async fn patch_public_access(
    engine: &Engine,
    environment: EnvironmentPk,
    patch: PublicAccessPatch,
) -> Result<EnvironmentRow, EnvironmentError> {
    let (now, fresh_key) = (engine.clock.now(), engine.ids.hex(SIGNING_KEY_BYTES));
    engine
        .store
        .write(move |tx| async move {
            let found = tx.find_environment(environment).await?;
            let mut row = found.ok_or(EnvironmentError::Unknown)?;
            if let Some(auth) = patch.auth {
                row.public_key_auth = auth.as_str().to_owned();
                row.hmac_enabled = auth == PublicKeyAuth::Hmac;
            }
            row.hmac_key = patch.hmac_key.or(row.hmac_key);
            if row.hmac_enabled && row.hmac_key.is_none() {
                row.hmac_key = Some(Secret::new(fresh_key));
            }
            row.callback_url = patch.callback_url.unwrap_or(row.callback_url);
            tx.set_public_access(environment, &access_of(&row), now)
                .await?;
            Ok(row)
        })
        .await
}

fn access_of(environment: &EnvironmentRow) -> PublicAccess {
    PublicAccess {
        public_key_auth: environment.public_key_auth.clone(),
        hmac_enabled: environment.hmac_enabled,
        hmac_key: environment.hmac_key.clone(),
        callback_url: environment.callback_url.clone(),
    }
}

/// The oldest secret key of an environment: what the getting-started page and the command line show.
pub async fn secret_key(
    engine: &Engine,
    environment: EnvironmentPk,
) -> Result<Option<Secret>, StoreError> {
    let keys = engine.reader().list_api_keys(environment).await?;
    Ok(keys.into_iter().next().map(|key| key.key))
}

/// What an API key is stored under.
pub fn key_lookup(engine: &Engine, key: &str) -> [u8; 32] {
    engine.store.index_hash("api_key", key.as_bytes())
}

async fn add_key(
    tx: &Tx,
    engine: &Engine,
    environment: EnvironmentPk,
    name: &str,
    key: &Secret,
) -> Result<(), StoreError> {
    let lookup = key_lookup(engine, key.expose());
    if tx.find_api_key(lookup).await?.is_some() {
        return Ok(());
    }
    let row = ApiKeyRow {
        pk: engine.ids.int(),
        name: name.to_owned(),
        key: key.clone(),
        scopes: ALL_SCOPES.to_owned(),
    };
    tx.insert_api_key(environment, &row, lookup, engine.clock.now())
        .await
}

/// How a key looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm<'a> {
    /// As published clients know keys: some check the form.
    Uuid,
    /// Recognisable, with the name of its environment.
    Prefixed(&'a str),
}

/// Makes a key with certain scopes.
pub async fn create_key(
    engine: &Engine,
    environment: EnvironmentPk,
    name: &str,
    scopes: &[String],
    form: KeyForm<'_>,
) -> Result<ApiKeyRow, StoreError> {
    let key = match form {
        KeyForm::Uuid => Secret::new(engine.ids.uuid4().to_string()),
        KeyForm::Prefixed(environment) => tenon_core::api_key::make(environment, &engine.random),
    };
    let row = ApiKeyRow {
        pk: engine.ids.int(),
        name: name.to_owned(),
        key,
        scopes: serde_json::Value::from(scopes).to_string(),
    };
    let (lookup, now) = (key_lookup(engine, row.key.expose()), engine.clock.now());
    engine
        .store
        .write(move |tx| async move {
            tx.insert_api_key(environment, &row, lookup, now).await?;
            Ok(row)
        })
        .await
}

/// Deletes a key; whether there was one. Nodes may honour it for some seconds more.
pub async fn delete_key(
    engine: &Engine,
    environment: EnvironmentPk,
    key: i64,
) -> Result<bool, StoreError> {
    engine
        .store
        .write(move |tx| async move { tx.delete_api_key(environment, key).await })
        .await
}

/// Changes webhook settings; what the patch leaves out stays. Returns the environment as it is afterwards.
pub async fn patch_webhooks(
    engine: &Engine,
    environment: EnvironmentPk,
    patch: WebhookSettingsPatch,
) -> Result<EnvironmentRow, EnvironmentError> {
    patch_settings(engine, environment, patch, FunctionSettingsPatch::default()).await
}

/// Changes webhook settings and what functions may do, together; what the patches leave out stays. Returns the
/// environment as it is afterwards.
pub async fn patch_settings(
    engine: &Engine,
    environment: EnvironmentPk,
    webhooks: WebhookSettingsPatch,
    functions: FunctionSettingsPatch,
) -> Result<EnvironmentRow, EnvironmentError> {
    let now = engine.clock.now();
    engine
        .store
        .write(move |tx| async move {
            let mut row = tx
                .find_environment(environment)
                .await?
                .ok_or(EnvironmentError::Unknown)?;
            webhooks.apply(&mut row.webhooks);
            functions.apply(&mut row.functions);
            tx.set_webhook_settings(environment, &row.webhooks, now)
                .await?;
            tx.set_function_settings(environment, &row.functions, now)
                .await?;
            Ok(row)
        })
        .await
}

impl WebhookSettingsPatch {
    fn apply(self, settings: &mut WebhookSettingsRow) {
        let urls = [
            (self.primary_url, &mut settings.primary_url),
            (self.secondary_url, &mut settings.secondary_url),
        ];
        for (new, old) in urls {
            if let Some(url) = new {
                *old = url.filter(|url| !url.trim().is_empty());
            }
        }
        let switches = [
            (
                self.on_sync_completion_always,
                &mut settings.on_sync_completion_always,
            ),
            (self.on_auth_creation, &mut settings.on_auth_creation),
            (
                self.on_auth_refresh_error,
                &mut settings.on_auth_refresh_error,
            ),
            (self.on_sync_error, &mut settings.on_sync_error),
            (
                self.on_async_action_completion,
                &mut settings.on_async_action_completion,
            ),
        ];
        for (new, old) in switches {
            if let Some(on) = new {
                *old = on;
            }
        }
    }
}

/// Replaces the key that signs webhooks; deliveries that wait are signed with the new one.
pub async fn rotate_signing_key(
    engine: &Engine,
    environment: EnvironmentPk,
) -> Result<Secret, StoreError> {
    let (key, now) = (new_signing_key(engine), engine.clock.now());
    engine
        .store
        .write(move |tx| async move {
            tx.set_webhook_signing_key(environment, &key, now).await?;
            Ok(key)
        })
        .await
}

fn new_signing_key(engine: &Engine) -> Secret {
    Secret::new(engine.ids.hex(SIGNING_KEY_BYTES))
}

/// Replaces all variables of an environment.
pub async fn set_variables(
    engine: &Engine,
    environment: EnvironmentPk,
    variables: Vec<(String, Secret)>,
) -> Result<(), EnvironmentError> {
    let too_large = |(_, value): &(String, Secret)| value.expose().len() > MAX_VARIABLE_BYTES;
    if variables.len() > MAX_VARIABLES || variables.iter().any(too_large) {
        return Err(EnvironmentError::TooManyVariables);
    }
    let rows: Vec<(i64, String, Secret)> = variables
        .into_iter()
        .map(|(name, value)| (engine.ids.int(), name, value))
        .collect();
    engine
        .store
        .write(move |tx| async move {
            tx.replace_variables(environment, &rows).await?;
            Ok(())
        })
        .await
}

fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > tenon_core::limits::NAME_CHARS {
        return Err(NameError::TooLong);
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    name.chars()
        .find(|c| !allowed(*c))
        .map_or(Ok(()), |c| Err(NameError::Character(c)))
}
