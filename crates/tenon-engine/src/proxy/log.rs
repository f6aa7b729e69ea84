//! A line for an attempt: what was sent, secrets masked, and what came of it.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};
use tenon_core::function::LogLevel;
use tenon_providers::Provider;
use url::Url;

use super::minute;
use crate::{
    Engine,
    auth::refresh::ConnectionWithCredentials,
    egress::{EgressError, EgressRequest},
    operations::is_secret,
};

/// What is sent, kept until it is known whether a line tells about it.
pub(super) struct Attempt {
    number: u32,
    method: Method,
    url: Url,
    headers: HeaderMap,
}

impl Attempt {
    /// Notes what is sent.
    pub(super) fn new(request: &EgressRequest, number: u32) -> Self {
        Self {
            number,
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
        }
    }

    /// Writes the line, best effort: to the operation of a run, or to that of the connection's minute.
    pub(super) fn ended(
        self,
        engine: &Engine,
        provider: &Provider,
        operation: Option<&str>,
        connection: &Arc<ConnectionWithCredentials>,
        result: Result<u16, &EgressError>,
        took: Duration,
    ) {
        if let Some(operation) = operation {
            let line = self.line(provider, result, took);
            line.write(engine, operation, connection);
            return;
        }
        let minute = minute::of(engine, connection.pk);
        if !minute.takes(result.map_err(EgressError::code)) {
            return;
        }
        let line = self.line(provider, result, took);
        if let Some(operation) = minute.operation() {
            line.write(engine, operation, connection);
            return;
        }
        let (engine, connection) = (engine.clone(), Arc::clone(connection));
        tokio::spawn(async move {
            match minute.start(&engine, &connection).await {
                Ok(operation) => line.write(&engine, operation, &connection),
                Err(error) => tracing::warn!(%error, "could not log a proxy call"),
            }
        });
    }

    fn line(&self, provider: &Provider, result: Result<u16, &EgressError>, took: Duration) -> Line {
        let url = masked(provider, &self.url);
        let mut payload = Map::new();
        payload.insert("attempt".to_owned(), (self.number + 1).into());
        payload.insert("method".to_owned(), self.method.as_str().into());
        payload.insert("url".to_owned(), url.clone().into());
        payload.insert("headers".to_owned(), headers(&self.headers).into());
        payload.insert("duration_ms".to_owned(), json!(took.as_millis() as u64));
        let mut text = format!("{} {url}", self.method);
        let level = match result {
            Ok(status) => {
                payload.insert("status".to_owned(), status.into());
                text.push_str(&format!(" answered {status}"));
                if status < 400 {
                    LogLevel::Info
                } else {
                    LogLevel::Warn
                }
            }
            Err(error) => {
                payload.insert("code".to_owned(), error.code().into());
                payload.insert("error".to_owned(), error.to_string().into());
                text.push_str(&format!(" failed: {error}"));
                LogLevel::Error
            }
        };
        Line {
            level,
            text,
            payload: Value::Object(payload),
        }
    }
}

/// One attempt, as it is told.
struct Line {
    level: LogLevel,
    text: String,
    payload: Value,
}

impl Line {
    fn write(self, engine: &Engine, operation: &str, connection: &ConnectionWithCredentials) {
        engine.operations.message(
            connection.environment,
            operation,
            self.level,
            self.text,
            Some(&self.payload),
        );
    }
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
    use std::time::Duration;

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
        let line = Attempt::new(&request, 0).line(&provider, Ok(200), Duration::ZERO);
        let told = format!("{} {}", line.text, line.payload);
        assert!(!told.contains("canary"), "{told}");
        assert!(told.contains("page=2") && told.contains("text/x"), "{told}");
    }
}
