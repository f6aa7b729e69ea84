//! Token requests that differ from the usual ones (auth-and-proxy.md, 6.9), and calls around a connection (6.10): data
//! of ours that other servers have in code.

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::provider::{BodyFormat, TokenRequestMethod};

/// How tokens of a provider are got, where the usual requests do not do (docs/reference/provider-schema.md).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenExchange {
    /// The requests that turn a code into a token, one after the other; none: the usual one.
    pub code: Vec<ExchangeStep>,
    /// The requests that renew a token, one after the other; none: the usual one.
    pub refresh: Vec<ExchangeStep>,
    /// Where answers hold what matters.
    pub answer: TokenAnswer,
    /// Where answers to the renewal do, if elsewhere.
    pub refresh_answer: Option<TokenAnswer>,
    pub renewed_by: RenewedBy,
    /// Whether a token is renewed only when somebody asks for it.
    pub only_when_forced: bool,
    /// Seconds that a token lives if its answer does not say.
    pub lifetime_s: Option<u64>,
    /// Member of the answer with a second token that has a refresh token of its own.
    pub second_grant: Option<String>,
    /// Tokens for other resources, asked for with each new token.
    pub companions: Vec<Companion>,
}

/// What a token is renewed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewedBy {
    #[default]
    RefreshToken,
    /// The token itself, while it lives.
    AccessToken,
    /// Nothing of the connection: the client is enough.
    Client,
}

/// One token request. What is sent is what stands here, nothing else. Templates may use `${code}`, `${redirectUri}`,
/// `${redirectHost}`, `${codeVerifier}`, `${state}`, `${clientId}`, `${clientSecret}`, `${refreshToken}`,
/// `${accessToken}`, `${clientAssertion}`, `${connectionConfig.x}`, `${stepN.path}`, in headers `${body}`. Entries in
/// which something stays open are left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExchangeStep {
    /// The token URL, or the refresh URL, unless given.
    pub url: Option<String>,
    pub method: TokenRequestMethod,
    /// A form unless given.
    pub body_format: Option<BodyFormat>,
    pub client: ClientProof,
    pub params: Map<String, Value>,
    pub query: Map<String, Value>,
    pub headers: IndexMap<String, String>,
    /// Claims of a token that is signed with the client secret as an RSA key: `${clientAssertion}`.
    pub client_assertion: Map<String, Value>,
}

/// How a client proves itself, beside its params.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientProof {
    #[default]
    Params,
    /// Client id and secret as a Basic header.
    Basic,
    /// The secret as the user of a Basic header without a password.
    SecretAsUser,
}

/// Where an answer holds what matters: dotted paths.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenAnswer {
    pub access_token: String,
    pub refresh_token: String,
    pub expires_in: String,
    pub expires_at: String,
    /// What a good answer says about itself, where the status says nothing.
    pub succeeds_when: Option<AnswerCheck>,
    /// Whether the answer holds no token because the old one lives on.
    pub keeps_token: bool,
}

impl Default for TokenAnswer {
    fn default() -> Self {
        Self {
            access_token: "access_token".to_owned(),
            refresh_token: "refresh_token".to_owned(),
            expires_in: "expires_in".to_owned(),
            expires_at: "expires_at".to_owned(),
            succeeds_when: None,
            keeps_token: false,
        }
    }
}

/// A value that an answer must have.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerCheck {
    pub path: String,
    /// Any value will do, if left out.
    #[serde(default)]
    pub is: Option<Value>,
}

/// A token for another resource.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Companion {
    /// The member of the connection config under which clients find it; it is kept with the credentials.
    pub into: String,
    pub request: ExchangeStep,
    /// Whether a connection is of use without it.
    #[serde(default)]
    pub optional: bool,
}

/// Asking the provider when a token ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    pub request: ExchangeStep,
    /// Where the answer says when, in seconds since 1970.
    #[serde(default = "exp")]
    pub expires_at: String,
}

fn exp() -> String {
    "exp".to_owned()
}

/// A call around a connection, with its credentials.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HookCall {
    pub method: Option<String>,
    /// Path behind the base URL of the provider; without one nothing is asked, and the credentials are the answer.
    pub endpoint: Option<String>,
    /// Another base URL than the provider's.
    pub base_url: Option<String>,
    pub headers: IndexMap<String, String>,
    /// JSON, or a text that is sent as it is.
    pub data: Option<Value>,
    /// Which item of a list the rest is about.
    pub choose: Option<Choice>,
    /// What of the answer goes into the connection config.
    pub store: IndexMap<String, Pick>,
    /// Fixed member of the connection config that holds already what this call would bring: then it is left out.
    pub unless: Option<String>,
}

/// An item of a list: the one with this value, else the first.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Where the list is; the answer itself unless given.
    #[serde(default)]
    pub path: Option<String>,
    pub member: String,
    /// Template.
    pub is: String,
}

/// A value of an answer.
#[derive(Clone, Debug, Default)]
pub struct Pick {
    pub path: String,
    /// The part that the first group matches.
    pub pattern: Option<regex::Regex>,
    /// The claim of this name, where the value is a signed token.
    pub claim: Option<String>,
    /// Hex SHA-256 of the text in lower case.
    pub sha256: bool,
    /// This text instead, if the call succeeds.
    pub value: Option<String>,
}

impl<'de> Deserialize<'de> for Pick {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            #[serde(default)]
            path: String,
            #[serde(default)]
            pattern: Option<String>,
            #[serde(default)]
            claim: Option<String>,
            #[serde(default)]
            sha256: bool,
            #[serde(default)]
            value: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Path(String),
            Long(Long),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Path(path) => Self {
                path,
                ..Self::default()
            },
            Either::Long(long) => Self {
                path: long.path,
                pattern: long
                    .pattern
                    .map(|pattern| regex::Regex::new(&pattern))
                    .transpose()
                    .map_err(serde::de::Error::custom)?,
                claim: long.claim,
                sha256: long.sha256,
                value: long.value,
            },
        })
    }
}
