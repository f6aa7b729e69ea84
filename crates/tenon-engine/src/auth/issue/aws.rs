//! Roles assumed at AWS: temporary keys, from STS or from a service of the owner's own (auth-and-proxy.md, 6.8).

use std::time::Duration;

use serde_json::{Map, Value};
use tenon_core::{Secret, Timestamp, auth::CredentialsJson};
use tenon_providers::{AwsCredentials, SigV4, SignedBody, template};
use tenon_store::{StoreError, integrations::IntegrationRow};
use url::Url;
use uuid::Uuid;

use super::{Issued, Party, Vars, text, xml};
use crate::{
    Engine,
    auth::{
        oauth2::{expiry, token},
        request::{self, TokenFailure, TokenRequest},
    },
};

/// How long the keys of a role live: what every role allows.
const LIFETIME_SECONDS: u64 = 3_600;

/// Lifetime of keys whose giver does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(55 * 60);

/// Version of the STS interface.
const VERSION: &str = "2011-06-15";

/// How deep keys may stand in an answer.
const DEPTH: usize = 6;

/// What an existing connection keeps when it is authorised again: where it is and the secret of its trust.
const KEPT: [&str; 2] = ["region", "external_id"];

/// Cause of everything that went wrong at the token service.
pub const STS_FAILED: &str = "aws_sigv4_sts_request_failed";

/// Adds to what a person gave what the connection has already: these two do not change any more.
pub async fn keep_of_connection(
    engine: &Engine,
    integration: &IntegrationRow,
    connection_id: &str,
    given: &mut Map<String, Value>,
) -> Result<(), StoreError> {
    let found = engine
        .reader()
        .find_connection(
            integration.environment,
            &integration.unique_key,
            connection_id,
        )
        .await?;
    let Some(row) = found.filter(|row| row.auth_mode == "AWS_SIGV4") else {
        return Ok(());
    };
    let config: Map<String, Value> =
        serde_json::from_str(&row.connection_config).unwrap_or_default();
    for name in KEPT {
        if let Some(value) = text(&config, name) {
            given.insert(name.to_owned(), value.into());
        }
    }
    Ok(())
}

/// Assumes the role. `given` is what a person entered, or what is stored.
pub(super) async fn issue(
    party: Party<'_>,
    given: &Map<String, Value>,
) -> Result<Issued, TokenFailure> {
    let config = party.integration.full_config();
    let role = Role::of(&party, given, &config)?;
    let raw = match text(&config, "stsMode") {
        Some("custom") => ask_owner(&party, &role, &config).await?,
        _ => assume(&party, &role, &config).await?,
    };
    let now = party.engine.clock.now();
    let keys = Keys::find(&raw, now).ok_or_else(|| {
        let reason = "the answer of the token service holds no keys";
        TokenFailure::answered(STS_FAILED, reason, http::StatusCode::OK)
    })?;
    Ok(role.issued(keys, raw, now))
}

/// Asks who the keys belong to: keys that cannot even do that are of no use.
pub async fn prove(party: Party<'_>, credentials: &CredentialsJson) -> Result<(), TokenFailure> {
    let named = |name: &str| text(credentials, name).unwrap_or_default();
    let keys = AwsCredentials {
        access_key_id: named("access_key_id"),
        secret_access_key: named("secret_access_key"),
        session_token: text(credentials, "session_token"),
    };
    let request = signed(
        &party,
        named("region"),
        keys,
        &[("Action", "GetCallerIdentity")],
    )?;
    request::send(party.engine, request)
        .await
        .map(|_| ())
        .map_err(explained)
}

/// Which role, and where.
struct Role {
    arn: String,
    service: String,
    region: String,
    external_id: String,
}

impl Role {
    fn of(
        party: &Party<'_>,
        given: &Map<String, Value>,
        config: &Map<String, Value>,
    ) -> Result<Self, TokenFailure> {
        if config.is_empty() {
            return Err(missing("config"));
        }
        let arn = text(given, "role_arn").ok_or_else(|| missing("role_arn"))?;
        let service = text(config, "service").ok_or_else(|| missing("service"))?;
        let region = text(given, "region")
            .or_else(|| text(party.connection_config, "region"))
            .or_else(|| text(config, "defaultRegion"))
            .ok_or_else(|| missing("region"))?;
        for (name, value) in [("service", service), ("region", region)] {
            if !is_label(value) {
                return Err(invalid(format!("`{name}` may have a-z, 0-9 and `-` only")));
            }
        }
        let external_id = text(given, "external_id")
            .or_else(|| text(party.connection_config, "external_id"))
            .map_or_else(
                || Ok(party.engine.ids.uuid4().to_string()),
                |id| match Uuid::parse_str(id) {
                    Ok(_) => Ok(id.to_owned()),
                    Err(_) => Err(invalid("`external_id` must be a UUID".to_owned())),
                },
            )?;
        Ok(Self {
            arn: arn.to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            external_id,
        })
    }

    fn issued(self, keys: Keys, raw: Value, now: Timestamp) -> Issued {
        let expires_at = keys
            .expires_at
            .unwrap_or_else(|| now.plus(DEFAULT_LIFETIME));
        let mut connection_config = Map::new();
        let mut credentials = CredentialsJson::new();
        credentials.insert("type".to_owned(), "AWS_SIGV4".into());
        credentials.insert("role_arn".to_owned(), self.arn.into());
        for (name, value) in [("region", self.region), ("service", self.service)] {
            credentials.insert(name.to_owned(), value.as_str().into());
            connection_config.insert(name.to_owned(), value.into());
        }
        for (name, value) in [
            ("access_key_id", keys.access_key_id),
            ("secret_access_key", keys.secret_access_key.into_exposed()),
            ("session_token", keys.session_token.into_exposed()),
            ("expires_at", expires_at.iso_millis()),
            ("external_id", self.external_id.clone()),
        ] {
            credentials.insert(name.to_owned(), value.into());
        }
        connection_config.insert("external_id".to_owned(), self.external_id.into());
        credentials.insert("raw".to_owned(), raw);
        Issued {
            credentials,
            expires_at: Some(expires_at),
            connection_config,
        }
    }
}

/// The answer of STS to the owner's own keys, as JSON.
async fn assume(
    party: &Party<'_>,
    role: &Role,
    config: &Map<String, Value>,
) -> Result<Value, TokenFailure> {
    let own = text(config, "awsAccessKeyId").zip(text(config, "awsSecretAccessKey"));
    let (access_key_id, secret_access_key) = own.ok_or_else(|| missing("builtin_credentials"))?;
    let keys = AwsCredentials {
        access_key_id,
        secret_access_key,
        session_token: None,
    };
    // Stands in the trail of the account, so that its owner can tell connections apart.
    let session = format!("tenon-{}", role.external_id);
    let lifetime = LIFETIME_SECONDS.to_string();
    let params = [
        ("Action", "AssumeRole"),
        ("RoleArn", role.arn.as_str()),
        ("RoleSessionName", session.as_str()),
        ("ExternalId", role.external_id.as_str()),
        ("DurationSeconds", lifetime.as_str()),
    ];
    let request = signed(party, &role.region, keys, &params)?;
    let answer = request::send(party.engine, request)
        .await
        .map_err(explained)?;
    let body = String::from_utf8_lossy(&answer.body);
    let read = serde_json::from_str(&body)
        .ok()
        .or_else(|| xml::read(&body));
    read.ok_or_else(|| {
        let reason = "the token service answered with neither XML nor JSON";
        TokenFailure::answered(STS_FAILED, reason, answer.status)
    })
}

/// The answer of a service that the owner runs.
async fn ask_owner(
    party: &Party<'_>,
    role: &Role,
    config: &Map<String, Value>,
) -> Result<Value, TokenFailure> {
    let address = text(config, "stsEndpointUrl").ok_or_else(|| missing("sts_endpoint"))?;
    let url = Url::parse(address).map_err(|_| invalid("`stsEndpointUrl` is no URL".to_owned()))?;
    let mut params = Map::new();
    for (name, value) in [
        ("role_arn", &role.arn),
        ("external_id", &role.external_id),
        ("region", &role.region),
        ("service", &role.service),
    ] {
        params.insert(name.to_owned(), value.as_str().into());
    }
    let setting = |name: &str| text(config, name).unwrap_or_default();
    let mut request = TokenRequest::post(url)
        .header("accept", "application/json")
        .header("user-agent", "Tenon")
        .json(&params);
    match setting("stsAuthType") {
        "api_key" => {
            let name = text(config, "stsAuthHeader").unwrap_or("x-api-key");
            request = request.header(name, setting("stsApiKey"));
        }
        "basic" => {
            let pair = format!(
                "{}:{}",
                setting("stsAuthUsername"),
                setting("stsAuthPassword")
            );
            request = request.header("authorization", token::basic(&pair));
        }
        _ => {}
    }
    let answer = request::send(party.engine, request)
        .await
        .map_err(explained)?;
    answer.json().map_err(explained)
}

/// A call of STS in a region, signed.
fn signed(
    party: &Party<'_>,
    region: &str,
    keys: AwsCredentials<'_>,
    params: &[(&str, &str)],
) -> Result<TokenRequest, TokenFailure> {
    let mut vars = Vars::new(party);
    let mut config = Map::new();
    config.insert("region".to_owned(), region.into());
    vars.object("connectionConfig", config);
    let template = party.provider.token_url().unwrap_or_default();
    let url = vars
        .with(|context| template::render_url(template, context))
        .map_err(|error| TokenFailure::ours("token_url", format!("the STS address has {error}")))?;
    let mut form = Map::new();
    form.insert("Version".to_owned(), VERSION.into());
    for (name, value) in params {
        form.insert((*name).to_owned(), (*value).into());
    }
    let request = TokenRequest::post(url)
        .header("user-agent", "Tenon")
        .form(&form);
    let host = match (request.url.host_str(), request.url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let body = request.body.clone().unwrap_or_default();
    let signature = SigV4 {
        credentials: keys,
        region,
        service: "sts",
        method: "POST",
        host: &host,
        path: request.url.path(),
        query: request.url.query().unwrap_or_default(),
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body: SignedBody::Whole(body.as_bytes()),
        now: vars.now,
    };
    let (date, authorization) = (signature.date(), signature.authorization());
    let request = match keys.session_token {
        Some(token) => request.header("x-amz-security-token", token),
        None => request,
    };
    Ok(request
        .header("x-amz-date", date)
        .header("authorization", authorization))
}

/// Temporary keys, wherever and however an answer writes them.
struct Keys {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Secret,
    expires_at: Option<Timestamp>,
}

impl Keys {
    fn find(answer: &Value, now: Timestamp) -> Option<Self> {
        let object = holder(answer, DEPTH)?;
        let named = |names: &[&str]| {
            let is_it = |name: &String| names.contains(&plain(name).as_str());
            object
                .iter()
                .find(|(name, _)| is_it(name))
                .map(|(_, value)| value)
        };
        let word = |name: &str| named(&[name])?.as_str().map(str::to_owned);
        Some(Self {
            access_key_id: word("accesskeyid")?,
            secret_access_key: Secret::new(word("secretaccesskey")?),
            session_token: Secret::new(word("sessiontoken")?),
            expires_at: named(&["expiration", "expiresat", "expires"])
                .and_then(|value| expiry::instant(value, now)),
        })
    }
}

/// The object with the keys in it.
fn holder(value: &Value, depth: usize) -> Option<&Map<String, Value>> {
    let object = value.as_object()?;
    if object.keys().any(|name| plain(name) == "accesskeyid") {
        return Some(object);
    }
    let deeper = depth.checked_sub(1)?;
    object.values().find_map(|member| holder(member, deeper))
}

/// `accessKeyId`, `AccessKeyId` and `access_key_id` alike.
fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

fn is_label(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn missing(what: &str) -> TokenFailure {
    let cause = format!("missing_aws_sigv4_{what}");
    TokenFailure::ours(&cause, format!("`{what}` is missing"))
}

fn invalid(reason: String) -> TokenFailure {
    TokenFailure::ours("invalid_aws_sigv4_config", reason)
}

/// A refusal of the token service, with its own words where it says them in XML.
fn explained(failure: TokenFailure) -> TokenFailure {
    let body = failure.body.as_deref().unwrap_or_default();
    let said = tag(body, "Code").map(|code| match tag(body, "Message") {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    });
    let reason = match said {
        Some(said) => format!("the token service refused: {said}"),
        None => failure.reason.clone(),
    };
    TokenFailure {
        cause: STS_FAILED.to_owned(),
        reason,
        ..failure
    }
}

fn tag<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, behind) = text.split_once(&format!("<{name}>"))?;
    Some(behind.split_once("</")?.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenon_core::Timestamp;

    use super::{Keys, is_label};

    #[test]
    fn keys_are_found_in_every_writing() {
        let now = Timestamp::from_secs(0);
        let cases = [
            json!({ "accessKeyId": "a", "secretAccessKey": "s", "sessionToken": "t", "expiresAt": "1970-01-01T01:00:00Z" }),
            json!({ "access_key_id": "a", "secret_access_key": "s", "session_token": "t", "expiration": 3600 }),
            json!({ "credentials": { "accessKeyId": "a", "secretAccessKey": "s", "sessionToken": "t", "expires": 3600 } }),
            json!({ "AssumeRoleResponse": { "AssumeRoleResult": { "Credentials": {
                "AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "1970-01-01T01:00:00Z" } } } }),
        ];
        for case in cases {
            let keys = Keys::find(&case, now).unwrap_or_else(|| panic!("{case}"));
            assert_eq!(keys.access_key_id, "a");
            assert_eq!(keys.secret_access_key.expose(), "s");
            assert_eq!(keys.session_token.expose(), "t");
            assert_eq!(keys.expires_at, Some(Timestamp::from_secs(3600)), "{case}");
        }
        assert!(Keys::find(&json!({ "accessKeyId": "a" }), now).is_none());
        assert!(Keys::find(&json!([]), now).is_none());
    }

    #[test]
    fn regions_cannot_leave_their_place() {
        assert!(is_label("eu-central-1"));
        for text in ["eu.evil", "a/b", "EU", "a b", "a@b"] {
            assert!(!is_label(text), "{text}");
        }
    }
}
