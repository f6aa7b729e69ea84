//! From a connection that goes away to the requests that end its tokens.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value};
use tenon_core::auth::{AuthMode, CredentialsJson};
use tenon_providers::{
    Provider, Revocation, RevocationBody, RevocationClient, RevocationMethod, RevokedToken,
    TokenRequestAuthMethod,
    template::{self, Context, Scope},
};
use tenon_store::{
    StoreError, Tx, connections::ConnectionRow, integrations::IntegrationRow,
    revocations::NewRevocation,
};

use super::{Prepared, Proof};
use crate::{Engine, auth::mcp};

/// Characters of a token's fingerprint: enough to tell tokens apart, and nothing to guess with.
const FINGERPRINT_CHARS: usize = 16;

/// Why tokens are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Deleted,
    KillSwitch,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::KillSwitch => "kill_switch",
        }
    }
}

/// A token and what the provider calls it.
type Token = (&'static str, String);

/// Stores what is to be told to the provider, in the transaction that deletes the connection. A connection without secrets
/// leaves nothing; one whose provider cannot be told leaves a note that says so.
pub(crate) async fn enqueue_in(
    tx: &Tx,
    engine: &Engine,
    connection: &ConnectionRow,
    reason: Reason,
) -> Result<(), StoreError> {
    if connection.auth_mode == AuthMode::None.as_str() {
        return Ok(());
    }
    let credentials = match tx.open_credentials(connection).await {
        Ok(credentials) => credentials,
        // Damaged credentials must not keep a connection alive.
        Err(StoreError::Corrupt { .. }) => CredentialsJson::new(),
        Err(error) => return Err(error),
    };
    let integration = tx.find_integration_by_pk(connection.integration).await?;
    let rows = plan(engine, connection, integration.as_ref(), &credentials);
    for (token, prepared) in rows {
        let (request, unsupported) = match prepared {
            Ok(prepared) => {
                let json = serde_json::to_vec(&prepared).expect("texts can be written as JSON");
                (Some(Bytes::from(json)), None)
            }
            Err(why) => (None, Some(why)),
        };
        let (name, value) = token.unwrap_or_default();
        let row = NewRevocation {
            pk: engine.ids.int(),
            environment: connection.environment,
            connection: connection.pk,
            integration_key: connection.integration_key.clone(),
            connection_id: connection.connection_id.clone(),
            provider: connection.provider.clone(),
            reason: reason.as_str(),
            token: name,
            fingerprint: fingerprint(tx, &value),
            request,
            unsupported,
            created_at: engine.clock.now(),
        };
        tx.insert_revocation(&row).await?;
    }
    tx.after_commit({
        let engine = engine.clone();
        move || engine.signals.revocations.notify_one()
    });
    Ok(())
}

fn fingerprint(tx: &Tx, token: &str) -> String {
    if token.is_empty() {
        return String::new();
    }
    let mut text = hex::encode(tx.index_hash("revoked token", token.as_bytes()));
    text.truncate(FINGERPRINT_CHARS);
    text
}

type Planned = (Option<Token>, Result<Prepared, String>);

fn plan(
    engine: &Engine,
    connection: &ConnectionRow,
    integration: Option<&IntegrationRow>,
    credentials: &CredentialsJson,
) -> Vec<Planned> {
    let none = |why: &str| vec![(None, Err(why.to_owned()))];
    let Some(provider) = engine.catalogue.find(&connection.provider) else {
        return none("the provider is not in the catalogue any more");
    };
    let config: Map<String, Value> =
        serde_json::from_str(&connection.connection_config).unwrap_or_default();
    let named = || mcp::revocation(engine, &provider, &config);
    let Some(revocation) = engine.catalogue.revocation(&provider).or_else(named) else {
        return none("this provider is not known to take revocations");
    };
    let tokens = tokens(&revocation, credentials);
    if tokens.is_empty() {
        return none("these credentials hold no token that could be revoked");
    }
    let client = Client::of(&provider, integration, credentials);
    tokens
        .into_iter()
        .map(|token| {
            let prepared = prepare(engine, (&provider, &revocation), &config, &client, &token);
            (Some(token), prepared)
        })
        .collect()
}

fn tokens(revocation: &Revocation, credentials: &CredentialsJson) -> Vec<Token> {
    let find = |kind: &'static str, member: &str| {
        let text = credentials.get(member)?.as_str()?;
        (!text.is_empty()).then(|| (kind, text.to_owned()))
    };
    let refresh = find("refresh_token", "refresh_token");
    // Client credentials hold the access token as `token`.
    let access = find("access_token", "access_token").or_else(|| find("access_token", "token"));
    match revocation.token {
        RevokedToken::Either => refresh.or(access).into_iter().collect(),
        RevokedToken::RefreshToken => refresh.into_iter().collect(),
        RevokedToken::AccessToken => access.into_iter().collect(),
        RevokedToken::Both => refresh.into_iter().chain(access).collect(),
    }
}

/// The OAuth client that the tokens belong to: the connection's own, among its credentials or instead of the
/// integration's, or the integration's.
struct Client {
    id: String,
    /// Empty where the provider takes no secrets.
    secret: String,
    /// What proves the client there; it never leaves.
    key: Option<String>,
}

impl Client {
    fn of(
        provider: &Provider,
        integration: Option<&IntegrationRow>,
        credentials: &CredentialsJson,
    ) -> Self {
        let own = |name: &str| {
            let instead = credentials
                .get("config_override")
                .and_then(|own| own.get(name));
            let text = instead.or_else(|| credentials.get(name))?.as_str()?;
            Some(text.to_owned())
        };
        let id = integration.and_then(|row| row.client_id.clone());
        let secret = integration.and_then(|row| row.secrets.client_secret.clone());
        let proves =
            provider.token_request_auth_method == Some(TokenRequestAuthMethod::PrivateKeyJwt);
        let secret = own("client_secret").or_else(|| secret.map(tenon_core::Secret::into_exposed));
        let (secret, key) = if proves {
            (None, own("client_private_key").or(secret))
        } else {
            (secret, None)
        };
        Self {
            id: own("client_id").or(id).unwrap_or_default(),
            secret: secret.unwrap_or_default(),
            key,
        }
    }

    /// What the request says of the client besides its id, where that is a proof.
    fn proof(&self, provider: &Provider, context: &Context<'_>) -> Option<Proof> {
        Some(Proof {
            client_id: self.id.clone(),
            key: self.key.clone()?,
            audience: template::render(provider.token_url().unwrap_or_default(), context),
        })
    }
}

fn prepare(
    engine: &Engine,
    (provider, revocation): (&Provider, &Revocation),
    config: &Map<String, Value>,
    client: &Client,
    (kind, token): &Token,
) -> Result<Prepared, String> {
    let scope = Scope::new()
        .with_object("connectionConfig", config)
        .with_value("token", token.as_str())
        .with_value("tokenType", *kind)
        .with_value("clientId", client.id.as_str())
        .with_value("clientSecret", client.secret.as_str());
    let context = Context::new(&scope, engine.clock.now(), engine.ids.uuid4());
    let url = template::render_url(&revocation.url, &context).map_err(|error| match error {
        template::UrlError::Unresolved(paths) => format!("no value for {}", paths.join(", ")),
        // The text could hold the token.
        template::UrlError::NotAUrl(_) => "the address of the revocation makes no URL".to_owned(),
    })?;
    let mut headers: Vec<(String, String)> = revocation
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), template::render(value, &context)))
        .collect();
    if revocation.client == RevocationClient::Basic && client.key.is_none() {
        let pair = BASE64_STANDARD.encode(format!("{}:{}", client.id, client.secret));
        headers.push(("authorization".to_owned(), format!("Basic {pair}")));
    }
    let mut params = match &revocation.params {
        Some(params) => template::render_map(params, &context),
        None => Map::from_iter([
            ("token".to_owned(), token.as_str().into()),
            ("token_type_hint".to_owned(), (*kind).into()),
        ]),
    };
    if revocation.client == RevocationClient::Body {
        params.insert("client_id".to_owned(), client.id.as_str().into());
        if !client.secret.is_empty() {
            params.insert("client_secret".to_owned(), client.secret.as_str().into());
        }
    }
    let is_form = revocation.body == RevocationBody::Form;
    let proof = client
        .proof(provider, &context)
        .filter(|_| is_form && revocation.client != RevocationClient::None);
    let body = match revocation.body {
        RevocationBody::None => None,
        RevocationBody::Form => {
            headers.push(content_type("application/x-www-form-urlencoded"));
            Some(form(&params))
        }
        RevocationBody::Json => {
            headers.push(content_type("application/json"));
            Some(Value::Object(params).to_string())
        }
    };
    Ok(Prepared {
        method: match revocation.method {
            RevocationMethod::Post => "POST".to_owned(),
            RevocationMethod::Delete => "DELETE".to_owned(),
        },
        url: url.into(),
        headers,
        body,
        proof,
    })
}

fn content_type(value: &str) -> (String, String) {
    ("content-type".to_owned(), value.to_owned())
}

/// Names and values as an HTML form has them.
pub(super) fn form(params: &Map<String, Value>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in params {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        form.append_pair(name, &text);
    }
    form.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tenon_providers::Provider;

    use super::Client;

    fn client(method: &Value, credentials: &Value) -> Client {
        let entry = json!({ "auth_mode": "OAUTH2_CC", "token_url": "https://id.example/token",
            "token_request_auth_method": method });
        let provider: Provider = serde_json::from_value(entry).unwrap();
        Client::of(&provider, None, credentials.as_object().unwrap())
    }

    #[test]
    fn a_private_key_is_never_taken_for_a_secret() {
        let keyed = json!("private_key_jwt");
        let own = json!({ "client_id": "c", "client_private_key": "the key" });
        let app = json!({ "config_override": { "client_id": "c", "client_secret": "the key" } });
        for credentials in [own, app] {
            let client = client(&keyed, &credentials);
            assert_eq!((client.id.as_str(), client.secret.as_str()), ("c", ""));
            assert_eq!(client.key.as_deref(), Some("the key"));
        }
        let plain = client(
            &Value::Null,
            &json!({ "client_id": "c", "client_secret": "s" }),
        );
        assert_eq!((plain.secret.as_str(), plain.key), ("s", None));
    }
}
