//! The command line's own HTTP client: it may only call a Tenon server.

use std::time::Duration;

use reqwest::{StatusCode, header::USER_AGENT};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{body::DeployBody, plan::Plan, target::Target};

/// A deployment of a whole project writes every function in one transaction.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A function as the server keeps it now.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Deployed {
    pub(crate) name: String,
    #[serde(rename = "providerConfigKey", alias = "provider_config_key")]
    pub(crate) provider_config_key: String,
    #[serde(default)]
    pub(crate) version: String,
}

/// Why a request to the server failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("no HTTP client could be made")]
    Client(#[source] reqwest::Error),
    #[error(
        "`{url}` does not answer: {reason}\nhint: is the server running? Start one with `tenon dev`, or name it with --url or NANGO_HOSTPORT"
    )]
    Unreachable { url: String, reason: String },
    #[error("{text}")]
    Refused { text: String },
    #[error("`{url}` answered with something else than a deployment ({status})")]
    Strange { url: String, status: StatusCode },
}

/// Calls one server with one key.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    #[expect(
        clippy::disallowed_types,
        reason = "this client calls the operator's own server, never a provider"
    )]
    http: reqwest::Client,
    target: Target,
}

impl Client {
    /// A client for this server. It follows no redirects: the key belongs to this address only.
    pub(crate) fn new(target: &Target) -> Result<Self, ClientError> {
        #[expect(clippy::disallowed_types, reason = "see above")]
        let mut builder = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if target.is_loopback() {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(ClientError::Client)?;
        Ok(Self {
            http,
            target: target.clone(),
        })
    }

    /// Asks what a deployment would change.
    pub(crate) async fn confirm(&self, body: &DeployBody) -> Result<Plan, ClientError> {
        self.post("/sync/deploy/confirmation", &body.to_confirm())
            .await
    }

    /// Deploys.
    pub(crate) async fn deploy(&self, body: &DeployBody) -> Result<Vec<Deployed>, ClientError> {
        self.post("/sync/deploy", &body.to_deploy()).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.target.url);
        let unreachable = |error| ClientError::Unreachable {
            url: self.target.url.clone(),
            reason: innermost(&error),
        };
        let request = self
            .http
            .post(&url)
            .bearer_auth(self.target.secret_key.expose())
            .header(USER_AGENT, concat!("tenon-cli/", env!("CARGO_PKG_VERSION")))
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
        if let Some(error) = answer.as_ref().and_then(|answer| answer.get("error")) {
            let error = Refusal::deserialize(error).unwrap_or_default();
            return Err(ClientError::Refused {
                text: error.told(status),
            });
        }
        match serde_json::from_slice(&bytes) {
            Ok(answer) if status.is_success() => Ok(answer),
            _ => Err(ClientError::Strange {
                url: self.target.url.clone(),
                status,
            }),
        }
    }
}

/// The cause at the end of the chain: what the system said.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// What stands under `error` of an answer.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    errors: Vec<RefusalIssue>,
}

#[derive(Deserialize)]
struct RefusalIssue {
    #[serde(default)]
    message: String,
    #[serde(default)]
    path: Vec<Value>,
}

impl Refusal {
    fn told(&self, status: StatusCode) -> String {
        let message = self.message.as_deref().unwrap_or("no reason given");
        let mut text = format!(
            "the server refused: {message} ({}, {})",
            self.code,
            status.as_u16()
        );
        for issue in &self.errors {
            let path: Vec<String> = issue
                .path
                .iter()
                .map(|part| {
                    part.as_str()
                        .map_or_else(|| part.to_string(), str::to_owned)
                })
                .collect();
            let place = path.join(".");
            text.push_str(&format!(
                "\n  {}",
                format!("{place} {}", issue.message).trim()
            ));
        }
        if status == StatusCode::UNAUTHORIZED {
            text.push_str("\nhint: is the secret key that of this environment?");
        }
        text
    }
}
