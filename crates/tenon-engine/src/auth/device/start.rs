//! The request for a code (RFC 8628, 3.1 and 3.2).

use std::time::Duration;

use serde_json::{Map, Value};
use tenon_core::{Secret, auth::AuthMode};
use tenon_store::{StoreError, device_flows::NewDeviceFlow};
use url::Url;

use super::waiting::Waiting;
use crate::{
    Engine,
    auth::{
        asked::Asked,
        entrance::{Entrance, EntranceError, Visitor},
        issue::{self, Party, Vars},
        oauth2::{authorize, token},
        request::{self, TokenFailure},
    },
    operations::{NewOperation, OperationKind, OperationState},
};

/// Modes whose tokens a device can get.
const MODES: [AuthMode; 1] = [AuthMode::OAuth2];

/// Flows of one environment that may be under way: each costs a request every few seconds.
const MOST: i64 = 10_000;

/// Seconds between two questions, unless the provider says otherwise (RFC 8628, 3.2).
const INTERVAL_S: i64 = 5;

/// Longest interval and longest life that a provider can impose.
const LONGEST_INTERVAL_S: i64 = 300;
const LONGEST_LIFE_S: i64 = 24 * 3600;

/// Longest text of a provider that is shown to a person.
const TEXT_CHARS: usize = 2_000;

/// What the person needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceGrant {
    pub id: String,
    pub connection_id: String,
    pub user_code: String,
    pub verification_uri: String,
    /// With the code in it, for a QR code or a link.
    pub verification_uri_complete: Option<String>,
    pub expires_in_s: i64,
    pub interval_s: i64,
}

/// Why no flow began.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    #[error("the provider `{0}` has no device authorization")]
    Unsupported(String),
    #[error("too many device flows of this environment are under way")]
    TooMany,
    #[error(transparent)]
    Provider(#[from] TokenFailure),
    #[error("store failed while a device flow began")]
    Store(#[from] StoreError),
}

/// Asks the provider for a code and begins to wait for the person.
pub async fn start(engine: &Engine, mut visitor: Visitor) -> Result<DeviceGrant, DeviceError> {
    // Without a session a secret key asks, which needs nobody's leave to bring settings along.
    let own = match &visitor.session {
        Some(_) => None,
        None => visitor.settings.take(),
    };
    let mut entrance = visitor.enter(engine, &MODES).await?;
    if let Some(given) = own {
        let asked = Asked::of(engine, entrance.integration.pk).await?;
        let checked = asked.checked(given).map_err(EntranceError::Settings)?;
        entrance.settings = Some(checked);
    }
    let environment = entrance.environment.pk;
    if engine.reader().count_device_flows(environment).await? >= MOST {
        return Err(DeviceError::TooMany);
    }
    let answer = ask(engine, &entrance).await?;
    let codes = Codes::read(&answer)?;
    let (grant, flow) = begin(engine, entrance, codes);
    let (inner, id, interval_s) = (engine.clone(), grant.id.clone(), grant.interval_s);
    let connection_id = grant.connection_id.clone();
    let expires_in = Duration::from_secs(grant.expires_in_s.unsigned_abs());
    let Begun {
        entrance,
        mut waiting,
    } = flow;
    let stored: Result<(), StoreError> =
        engine
            .store
            .write(move |tx| async move {
                let now = inner.clock.now();
                let parent = entrance.session.as_ref();
                let operation =
                    NewOperation {
                        state: OperationState::Waiting,
                        parent: parent.and_then(|session| session.operation_id.clone()),
                        ..NewOperation::new(environment, OperationKind::Auth, "connect a device")
                            .about(&entrance.integration.unique_key, &connection_id, None)
                    };
                waiting.operation_id = inner.operations.start(&tx, operation).await?;
                let payload = waiting.seal(&tx, environment, &id).await?;
                let new = NewDeviceFlow {
                    id,
                    environment,
                    integration: entrance.integration.pk,
                    session: waiting.session,
                    connection_id,
                    payload,
                    interval_s,
                    next_poll_at: now.plus(Duration::from_secs(interval_s.unsigned_abs())),
                    created_at: now,
                    expires_at: now.plus(expires_in),
                };
                tx.insert_device_flow(&new).await
            })
            .await;
    stored?;
    engine.signals.devices.notify_one();
    Ok(grant)
}

async fn ask(engine: &Engine, entrance: &Entrance) -> Result<Map<String, Value>, DeviceError> {
    let provider = &entrance.provider;
    if provider.device_authorization_url.is_none() {
        return Err(DeviceError::Unsupported(provider.name.clone()));
    }
    let party = Party {
        engine,
        provider,
        integration: &entrance.integration,
        connection_config: &entrance.connection_config,
    };
    let client = issue::integration_client(&party)?;
    let vars = Vars::new(&party);
    let scopes = match &entrance.scopes_override {
        Some(scopes) => scopes.clone(),
        None => authorize::scopes(entrance.integration.scopes.as_deref()),
    };
    let request = vars.with(|context| token::device_code(provider, &client, &scopes, context))?;
    Ok(request::send(engine, request).await?.object()?)
}

/// What the provider answered.
struct Codes {
    device_code: Secret,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in_s: i64,
    interval_s: i64,
}

impl Codes {
    fn read(answer: &Map<String, Value>) -> Result<Self, TokenFailure> {
        let text = |name: &str| {
            answer
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty() && text.chars().count() <= TEXT_CHARS)
                .map(str::to_owned)
        };
        // Some wrote it before the standard was done.
        let address = |names: [&str; 2]| {
            let given = names.iter().find_map(|name| text(name))?;
            let is_web =
                Url::parse(&given).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
            is_web.then_some(given)
        };
        let number = |name: &str| answer.get(name).and_then(seconds);
        let missing = |name: &str| match request::error_of(&Value::Object(answer.clone())) {
            (Some(code), said) => TokenFailure::ours(
                &code.clone(),
                format!(
                    "the provider refused (`{code}`): {}",
                    said.unwrap_or_default()
                ),
            ),
            (None, _) => TokenFailure::ours(
                "no_device_code",
                format!("the provider's answer holds no `{name}` that could be used"),
            ),
        };
        Ok(Self {
            device_code: Secret::new(text("device_code").ok_or_else(|| missing("device_code"))?),
            user_code: text("user_code").ok_or_else(|| missing("user_code"))?,
            verification_uri: address(["verification_uri", "verification_url"])
                .ok_or_else(|| missing("verification_uri"))?,
            verification_uri_complete: address([
                "verification_uri_complete",
                "verification_url_complete",
            ]),
            expires_in_s: number("expires_in")
                .ok_or_else(|| missing("expires_in"))?
                .clamp(1, LONGEST_LIFE_S),
            interval_s: number("interval")
                .unwrap_or(INTERVAL_S)
                .clamp(1, LONGEST_INTERVAL_S),
        })
    }
}

fn seconds(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_str()?.parse::<i64>().ok())
}

/// What goes into the database.
struct Begun {
    entrance: Entrance,
    waiting: Waiting,
}

fn begin(engine: &Engine, entrance: Entrance, codes: Codes) -> (DeviceGrant, Begun) {
    let grant = DeviceGrant {
        id: engine.ids.uuid4().to_string(),
        connection_id: entrance.connection_id.to_string(),
        user_code: codes.user_code,
        verification_uri: codes.verification_uri,
        verification_uri_complete: codes.verification_uri_complete,
        expires_in_s: codes.expires_in_s,
        interval_s: codes.interval_s,
    };
    let waiting = Waiting {
        device_code: codes.device_code,
        mode: entrance.provider.auth_mode,
        session: entrance.session.as_ref().map(|session| session.pk),
        connection_config: entrance.connection_config.clone(),
        settings: entrance.settings.clone(),
        operation_id: String::new(),
    };
    (grant, Begun { entrance, waiting })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Codes;

    fn read(answer: Value) -> Result<Codes, String> {
        Codes::read(answer.as_object().unwrap()).map_err(|failure| failure.cause)
    }

    #[test]
    fn answers_before_and_after_the_standard_are_read() {
        let codes = read(
            json!({"device_code": "d", "user_code": "WDJB-MJHT", "interval": 7, "expires_in": 1800,
            "verification_uri": "https://example.test/device"}),
        )
        .unwrap();
        assert_eq!((codes.interval_s, codes.expires_in_s), (7, 1800));
        let older = read(
            json!({"device_code": "d", "user_code": "U", "expires_in": "900",
            "verification_url": "https://example.test/device"}),
        )
        .unwrap();
        assert_eq!((older.interval_s, older.expires_in_s), (5, 900));
        assert_eq!(older.verification_uri, "https://example.test/device");
    }

    #[test]
    fn answers_that_lead_nowhere_are_refused() {
        let whole = json!({"device_code": "d", "user_code": "U", "expires_in": 900,
            "verification_uri": "https://example.test/device"});
        for name in ["device_code", "user_code", "expires_in", "verification_uri"] {
            let mut partly = whole.clone();
            partly.as_object_mut().unwrap().remove(name);
            assert_eq!(read(partly).err().unwrap(), "no_device_code", "{name}");
        }
        let mut script = whole;
        script["verification_uri"] = "javascript:alert(1)".into();
        assert_eq!(read(script).err().unwrap(), "no_device_code");
        let refused = read(json!({"error": "device_flow_disabled", "error_description": "off"}));
        assert_eq!(refused.err().unwrap(), "device_flow_disabled");
    }
}
