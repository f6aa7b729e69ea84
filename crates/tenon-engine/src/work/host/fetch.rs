//! `uncontrolledFetch`: a plain request without credentials (functions.md, 2.4).

use http::Method;
use tenon_core::function::{
    FetchCall, Hold, HostError, HostErrorKind, HostReply, HttpReply, LogLevel,
};
use url::Url;

use super::{RunHost, plain_error};
use crate::{
    egress::{EgressError, EgressRequest},
    environments::EgressMode,
    proxy,
};

/// Largest answer: it is copied into the isolate.
const RESPONSE_BYTES: u64 = 50 * 1024 * 1024;

impl RunHost {
    pub(super) async fn fetch(&self, call: FetchCall) -> Result<HostReply, HostError> {
        let url = Url::parse(&call.url)
            .map_err(|_| plain_error(format!("`{}` is not a URL", call.url)))?;
        if self.is_ours(&url) {
            self.log(
                LogLevel::Warn,
                "a request to this platform's own API was refused".to_owned(),
                None,
            );
            return Err(action_error(
                "url_not_allowed",
                "requests to this platform's own API are not allowed",
            ));
        }
        let mut request = request(url, call).map_err(|error| self.refuse(&error))?;
        let settings = self.settings().await?;
        if settings.egress == EgressMode::ProviderOnly {
            let target = self.target(None, None)?;
            let hosts = proxy::hosts(&self.engine, &target, &settings.egress_hosts).await?;
            request.options.hosts = Some(hosts);
        }
        let answer = self.engine.egress.send(request).await;
        let response = answer.map_err(|error| self.refuse(&error))?;
        let status = response.status;
        let headers = response
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let url = response.url.to_string();
        let mut tab = self.replies.tab();
        let body = response
            .collect_on(RESPONSE_BYTES, Some(&mut tab))
            .await
            .map_err(|error| self.refuse(&error))?;
        Ok(HostReply::Response(Box::new(HttpReply {
            status: status.as_u16(),
            status_text: status.canonical_reason().unwrap_or_default().to_owned(),
            headers,
            body,
            url,
            hold: Hold::on(tab),
        })))
    }

    fn is_ours(&self, url: &Url) -> bool {
        let settings = &self.engine.settings;
        [&settings.public_url, &settings.connect_url]
            .into_iter()
            .filter_map(|ours| Url::parse(ours).ok())
            .any(|ours| ours.origin() == url.origin())
    }

    fn refuse(&self, error: &EgressError) -> HostError {
        let code = match error {
            EgressError::Refused { .. } => "url_not_allowed",
            EgressError::TooManyRedirects(_) => "too_many_redirects",
            EgressError::InvalidRedirect(_) | EgressError::BodyGone => "invalid_redirect",
            _ => return plain_error(format!("fetch failed: {error}")),
        };
        self.log(
            LogLevel::Warn,
            format!("a request was refused: {error}"),
            None,
        );
        action_error(code, &error.to_string())
    }
}

fn request(url: Url, call: FetchCall) -> Result<EgressRequest, EgressError> {
    let method = if call.method.is_empty() {
        Method::GET
    } else {
        Method::from_bytes(call.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| EgressError::InvalidHeaderName(call.method.clone()))?
    };
    let mut request = EgressRequest::new(method, url);
    for (name, value) in &call.headers {
        request = request.header(name, value)?;
    }
    if let Some(body) = call.body {
        request = request.body(body);
    }
    request.options.max_response_bytes = Some(RESPONSE_BYTES);
    Ok(request)
}

fn action_error(code: &str, message: &str) -> HostError {
    HostError {
        code: code.to_owned(),
        message: message.to_owned(),
        response: None,
        kind: HostErrorKind::Action,
    }
}
