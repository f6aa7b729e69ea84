//! The command line's own HTTP client: it may only call a Tenon server.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, StatusCode, header::USER_AGENT};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::target::Target;

/// A deployment of a whole project writes every function in one transaction.
const TIMEOUT: Duration = Duration::from_secs(300);

/// One request to the server, its path with the query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Bytes>,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }

    /// Any method with a JSON body.
    pub(crate) fn json(method: Method, path: impl Into<String>, body: &Value) -> Self {
        Self {
            method,
            path: path.into(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Some(body.to_string().into()),
        }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// Whatever the server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Lower-case names, in order of arrival.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// A text as one segment of a path or value of a query.
pub(crate) fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
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
    Refused {
        status: StatusCode,
        /// `error.code` of the answer.
        code: String,
        text: String,
    },
    #[error(
        "`{url}` answered with something that is not understood ({status})\nhint: is this the address of a Tenon server?"
    )]
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

    /// Asks for JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Request::get(path)).await
    }

    /// Sends JSON and gets JSON.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, ClientError> {
        self.ask(Request::json(Method::POST, path, body)).await
    }

    /// Any request that is answered with JSON; an `error` in it is an error.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, ClientError> {
        let Answer { status, body, .. } = self.send(request).await?;
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        if let Some(error) = answer.as_ref().and_then(|answer| answer.get("error")) {
            let error = Refusal::deserialize(error).unwrap_or_default();
            return Err(ClientError::Refused {
                status,
                code: error.code.clone(),
                text: error.told(status),
            });
        }
        match serde_json::from_slice(&body) {
            Ok(answer) if status.is_success() => Ok(answer),
            _ => Err(ClientError::Strange {
                url: self.target.url.clone(),
                status,
            }),
        }
    }

    /// Writes an answer into a file as it comes; how many bytes there were.
    pub(crate) async fn save(
        &self,
        request: Request,
        out: &mut tokio::fs::File,
    ) -> anyhow::Result<u64> {
        let mut response = self.begin(request).await?;
        let status = response.status();
        if !status.is_success() {
            let body = response.bytes().await?;
            let answer: Option<Value> = serde_json::from_slice(&body).ok();
            let error = answer.as_ref().and_then(|answer| answer.get("error"));
            let error = error.and_then(|error| Refusal::deserialize(error).ok());
            anyhow::bail!("{}", error.unwrap_or_default().told(status));
        }
        let mut saved = 0;
        while let Some(piece) = response.chunk().await? {
            saved += piece.len() as u64;
            out.write_all(&piece).await?;
        }
        Ok(saved)
    }

    /// Any request, and whatever is answered.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        let unreachable = |error| self.unreachable(&error);
        let response = self.begin(request).await?;
        let status = response.status();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let body = response.bytes().await.map_err(unreachable)?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable {
            url: self.target.url.clone(),
            reason: innermost(error),
        }
    }

    /// Sends; the answer's body is still to come.
    async fn begin(&self, request: Request) -> Result<reqwest::Response, ClientError> {
        let url = format!("{}{}", self.target.url, request.path);
        let mut builder = self
            .http
            .request(request.method, &url)
            .bearer_auth(self.target.secret_key.expose())
            .header(USER_AGENT, concat!("tenon-cli/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let sent = builder.send().await;
        sent.map_err(|error| self.unreachable(&error))
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
        let message = match (&self.message, self.errors.is_empty()) {
            (Some(message), _) => message.as_str(),
            (None, true) => "no reason given",
            (None, false) => "it does not understand the request",
        };
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
