//! A line for every attempt. Calls of an app share one operation per connection and minute: a row per call would cost
//! more than the call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::HeaderMap;
use serde_json::{Map, Value, json};
use tenon_core::{function::LogLevel, names::ConnectionPk};
use tenon_providers::Provider;
use tenon_store::StoreError;
use tokio::sync::OnceCell;
use url::Url;

use crate::{
    Engine,
    auth::refresh::ConnectionWithCredentials,
    egress::{EgressError, EgressRequest},
    operations::{NewOperation, OperationKind, OperationState, is_secret},
};

/// Operations of the current minute.
#[derive(Debug, Default)]
pub struct ProxyState {
    minutes: Mutex<HashMap<ConnectionPk, Minute>>,
}

/// More connections than this in one minute: those of past minutes are forgotten.
const REMEMBERED: usize = 10_000;

#[derive(Clone, Debug)]
struct Minute {
    number: i64,
    operation: Arc<OnceCell<String>>,
}

/// One attempt, as it is told.
pub(super) struct Attempt {
    payload: Map<String, Value>,
    text: String,
}

impl Attempt {
    /// Notes what is sent, secrets masked.
    pub(super) fn new(provider: &Provider, request: &EgressRequest, number: u32) -> Self {
        let url = masked(provider, &request.url);
        let mut payload = Map::new();
        payload.insert("attempt".to_owned(), (number + 1).into());
        payload.insert("method".to_owned(), request.method.as_str().into());
        payload.insert("url".to_owned(), url.clone().into());
        payload.insert("headers".to_owned(), headers(&request.headers).into());
        Self {
            payload,
            text: format!("{} {url}", request.method),
        }
    }

    /// Notes what came of it.
    pub(super) fn ended(mut self, result: Result<u16, &EgressError>, took: Duration) -> Self {
        self.payload
            .insert("duration_ms".to_owned(), json!(took.as_millis() as u64));
        match result {
            Ok(status) => {
                self.payload.insert("status".to_owned(), status.into());
                self.text.push_str(&format!(" answered {status}"));
            }
            Err(error) => {
                self.payload.insert("code".to_owned(), error.code().into());
                self.payload
                    .insert("error".to_owned(), error.to_string().into());
                self.text.push_str(&format!(" failed: {error}"));
            }
        }
        self
    }

    /// Writes the line, best effort.
    pub(super) fn write(
        self,
        engine: &Engine,
        operation: Option<&str>,
        connection: &ConnectionWithCredentials,
    ) {
        let status = self.payload.get("status").and_then(Value::as_u64);
        let level = match status {
            Some(..=399) => LogLevel::Info,
            Some(_) => LogLevel::Warn,
            None => LogLevel::Error,
        };
        let payload = Value::Object(self.payload);
        if let Some(operation) = operation {
            let log = &engine.operations;
            log.message(
                connection.environment,
                operation,
                level,
                self.text,
                Some(&payload),
            );
            return;
        }
        let minute = minute(engine, connection.pk);
        if let Some(operation) = minute.operation.get() {
            let log = &engine.operations;
            log.message(
                connection.environment,
                operation,
                level,
                self.text,
                Some(&payload),
            );
            return;
        }
        let (engine, text) = (engine.clone(), self.text);
        let operation = new_operation(connection);
        let environment = connection.environment;
        tokio::spawn(async move {
            let id = minute
                .operation
                .get_or_try_init(|| start(&engine, operation))
                .await;
            match id {
                Ok(id) => {
                    let log = &engine.operations;
                    log.message(environment, id, level, text, Some(&payload));
                }
                Err(error) => tracing::warn!(%error, "could not log a proxy call"),
            }
        });
    }
}

fn minute(engine: &Engine, connection: ConnectionPk) -> Minute {
    let number = engine.clock.now().secs() / 60;
    let mut minutes = engine
        .proxy
        .minutes
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if minutes.len() > REMEMBERED {
        minutes.retain(|_, minute| minute.number == number);
    }
    let known = minutes.entry(connection).or_insert_with(|| Minute {
        number,
        operation: Arc::default(),
    });
    if known.number != number {
        *known = Minute {
            number,
            operation: Arc::default(),
        };
    }
    known.clone()
}

fn new_operation(connection: &ConnectionWithCredentials) -> NewOperation {
    let mut operation =
        NewOperation::new(connection.environment, OperationKind::Proxy, "proxy calls").about(
            connection.integration_key.as_str(),
            connection.connection_id.as_str(),
            Some(connection.pk),
        );
    operation.state = OperationState::Success;
    operation
}

async fn start(engine: &Engine, operation: NewOperation) -> Result<String, StoreError> {
    let inner = engine.clone();
    engine
        .store
        .write(move |tx| async move { inner.operations.start(&tx, operation).await })
        .await
}

/// The URL without user, and with secrets in its query masked: those with a telling name, and those the provider's
/// templates put there.
fn masked(provider: &Provider, url: &Url) -> String {
    let mut bare = url.clone();
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    let Some(query) = url.query() else {
        return bare.into();
    };
    let own = provider.proxy.as_ref().map(|proxy| &proxy.query);
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            let hidden = is_secret(name)
                || own.is_some_and(|own| own.contains_key(name))
                || name.to_ascii_lowercase().contains("key");
            if hidden {
                format!("{name}=***")
            } else {
                pair.to_owned()
            }
        })
        .collect();
    let base = bare.as_str().split('?').next().unwrap_or_default();
    format!("{base}?{}", pairs.join("&"))
}

/// Header values, masked unless they are known to be harmless.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    const HARMLESS: &[&str] = &[
        "accept",
        "accept-encoding",
        "accept-language",
        "content-type",
        "user-agent",
        "range",
    ];
    headers
        .iter()
        .map(|(name, value)| {
            let shown = if HARMLESS.contains(&name.as_str()) {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            } else {
                "***".to_owned()
            };
            (name.to_string(), Value::from(shown))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tenon_providers::Provider;

    use super::Attempt;
    use crate::egress::EgressRequest;

    #[test]
    fn faults_56_no_secret_reaches_a_line() {
        let provider: Provider = serde_json::from_value(serde_json::json!({
            "auth_mode": "API_KEY",
            "proxy": {"base_url": "http://a.test", "query": {"hapi": "${apiKey}"}}
        }))
        .unwrap();
        let url =
            "http://user:canary@a.test/x?hapi=canary&api_key=canary&access_token=canary&page=2";
        let request = EgressRequest::to(Method::GET, url)
            .unwrap()
            .header("authorization", "Bearer canary")
            .unwrap()
            .header("x-vendor-thing", "canary")
            .unwrap()
            .header("accept", "text/x")
            .unwrap();
        let line = Attempt::new(&provider, &request, 0);
        let told = format!("{} {}", line.text, serde_json::Value::Object(line.payload));
        assert!(!told.contains("canary"), "{told}");
        assert!(told.contains("page=2") && told.contains("text/x"), "{told}");
    }
}
