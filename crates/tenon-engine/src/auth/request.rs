//! Requests to token endpoints: small, limited, and every failure in words that can be shown.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use tenon_core::Timestamp;
use url::Url;

use crate::{
    Engine,
    egress::{ClientIdentity, EgressError, EgressOptions, EgressRequest},
};

use super::oauth2::expiry;

/// How long a token endpoint may take. Some take half a minute; a refresh lease lasts longer than this.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Largest answer: real ones have a few KB, with signed tokens and scopes some tens.
const RESPONSE_BYTES: u64 = 1024 * 1024;

/// Most text of a provider's own words that is kept in an error.
const REASON_CHARS: usize = 500;

/// Longest pause that a provider can impose with `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What `querystring.stringify` leaves alone.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A request to a token endpoint.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub identity: Option<ClientIdentity>,
}

impl TokenRequest {
    /// A POST without headers and body.
    pub const fn post(url: Url) -> Self {
        Self {
            method: Method::POST,
            url,
            headers: Vec::new(),
            body: None,
            identity: None,
        }
    }

    /// Sets a header; the last one of a name counts.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets a header unless one of that name is there.
    #[must_use]
    pub fn default_header(self, name: &str, value: &str) -> Self {
        if self
            .headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            return self;
        }
        self.header(name, value)
    }

    /// A form body; spaces become `%20`.
    #[must_use]
    pub fn form(mut self, params: &Map<String, Value>) -> Self {
        self.body = Some(form(params));
        self.default_header("content-type", "application/x-www-form-urlencoded")
    }

    /// A JSON body.
    #[must_use]
    pub fn json(mut self, params: &Map<String, Value>) -> Self {
        self.body = Some(serde_json::to_string(params).unwrap_or_default());
        self.default_header("content-type", "application/json")
    }
}

/// Form encoding of a JSON object: texts, numbers and booleans; nested values as JSON text.
pub fn form(params: &Map<String, Value>) -> String {
    let pairs = params.iter().filter_map(|(name, value)| {
        let value = match value {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(format!("{}={}", encode(name), encode(&value)))
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

/// What a token endpoint answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// Itself, unless its status says that it is a refusal.
    pub(super) fn successful(self, now: Timestamp) -> Result<Self, TokenFailure> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(TokenFailure::of_status(&self, now))
    }

    /// The body as JSON. Another content type is refused: an error page is not to be taken for a token.
    pub fn json(&self) -> Result<Value, TokenFailure> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Err(TokenFailure::answered(
                "empty_answer",
                "the provider answered without a body",
                self.status,
            ));
        }
        let content_type = self
            .headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("application/json");
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") && !essence.ends_with("+json") {
            let reason = format!(
                "the provider answered with `{}` instead of JSON",
                short(essence)
            );
            return Err(TokenFailure::answered("not_json", reason, self.status));
        }
        serde_json::from_slice(&self.body).map_err(|_| {
            let reason = "the provider answered with something that is not JSON";
            TokenFailure::answered("not_json", reason, self.status)
        })
    }

    /// The body as a JSON object.
    pub fn object(&self) -> Result<Map<String, Value>, TokenFailure> {
        match self.json()? {
            Value::Object(object) => Ok(object),
            _ => Err(TokenFailure::answered(
                "not_an_object",
                "the provider answered with JSON that is not an object",
                self.status,
            )),
        }
    }
}

/// What is known about a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It never left, or nobody accepted it.
    No,
    /// It may have been processed; there was no answer.
    Unknown,
    /// There was an answer.
    Yes,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TokenFailure {
    /// In one word: `invalid_grant`, `http_503`, `not_json`, `timeout`, `ECONNREFUSED`, ...
    pub cause: String,
    /// For people; may quote the provider, so it is only ever shown as text.
    pub reason: String,
    /// The provider's status.
    pub status: Option<u16>,
    /// The provider's answer, as JSON text or plain.
    pub body: Option<String>,
    /// How long the provider wants to be left alone.
    pub retry_after: Option<Duration>,
    pub reached: Reached,
}

impl TokenFailure {
    /// The provider answered, but with no token.
    pub fn answered(cause: &str, reason: impl Into<String>, status: StatusCode) -> Self {
        Self {
            cause: cause.to_owned(),
            reason: reason.into(),
            status: Some(status.as_u16()),
            body: None,
            retry_after: None,
            reached: Reached::Yes,
        }
    }

    /// Nothing was asked: we could not build the request.
    pub fn ours(cause: &str, reason: impl Into<String>) -> Self {
        Self {
            cause: cause.to_owned(),
            reason: reason.into(),
            status: None,
            body: None,
            retry_after: None,
            reached: Reached::No,
        }
    }

    /// A failure that says nothing about the credentials: the provider is busy, ill or away.
    pub fn is_transient(&self) -> bool {
        match self.status {
            Some(status) => status == 429 || status >= 500,
            None => self.reached == Reached::Unknown || self.cause.starts_with('E'),
        }
    }

    fn of_status(answer: &Answer, now: Timestamp) -> Self {
        let status = answer.status;
        let text = String::from_utf8_lossy(&answer.body);
        let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let (cause, said) = json.as_ref().map_or((None, None), error_of);
        let cause = cause.unwrap_or_else(|| format!("http_{}", status.as_u16()));
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        Self {
            reason: format!(
                "the provider refused with status {} (`{cause}`){said}",
                status.as_u16()
            ),
            cause,
            status: Some(status.as_u16()),
            body: Some(text.chars().take(REASON_CHARS).collect()),
            retry_after: retry_after(&answer.headers, now),
            reached: Reached::Yes,
        }
    }
}

impl From<EgressError> for TokenFailure {
    fn from(error: EgressError) -> Self {
        let reached = match &error {
            EgressError::InvalidUrl(_)
            | EgressError::InvalidHeaderName(_)
            | EgressError::InvalidHeaderValue(_)
            | EgressError::HeadersTooLarge { .. }
            | EgressError::Refused { .. }
            | EgressError::Resolve { .. }
            | EgressError::ClientIdentity(_)
            | EgressError::RequestBody(_) => Reached::No,
            EgressError::Transport { code, .. }
                if matches!(*code, "ECONNREFUSED" | "EHOSTUNREACH") =>
            {
                Reached::No
            }
            EgressError::Transport { .. } | EgressError::Timeout(_) => Reached::Unknown,
            EgressError::TooManyRedirects(_)
            | EgressError::InvalidRedirect(_)
            | EgressError::BodyGone
            | EgressError::Protocol(_)
            | EgressError::TooLarge(_)
            | EgressError::Inflates(_)
            | EgressError::Decompress(_) => Reached::Yes,
        };
        let cause = match &error {
            EgressError::Timeout(_) => "timeout",
            EgressError::Decompress(_) | EgressError::Inflates(_) | EgressError::Protocol(_) => {
                "unreadable_answer"
            }
            other => other.code(),
        };
        Self {
            cause: cause.to_owned(),
            reason: format!("the token endpoint could not be asked: {error}"),
            status: None,
            body: None,
            retry_after: None,
            reached,
        }
    }
}

/// Sends a request; any status but 2xx is a failure.
pub async fn send(engine: &Engine, request: TokenRequest) -> Result<Answer, TokenFailure> {
    ask(engine, request).await?.successful(engine.clock.now())
}

/// Sends a request and takes whatever is answered.
pub(super) async fn ask(engine: &Engine, request: TokenRequest) -> Result<Answer, TokenFailure> {
    // A redirected POST would carry secrets to wherever the redirect points.
    let max_redirects = if request.method == Method::GET { 5 } else { 0 };
    let options = EgressOptions {
        max_redirects,
        timeout: Some(TIMEOUT),
        max_response_bytes: Some(RESPONSE_BYTES),
        identity: request.identity,
        ..EgressOptions::default()
    };
    let mut outgoing = EgressRequest::new(request.method, request.url).options(options);
    for (name, value) in &request.headers {
        outgoing = outgoing.header(name, value)?;
    }
    if let Some(body) = request.body {
        outgoing = outgoing.body(body);
    }
    let response = engine.egress.send(outgoing).await?;
    let (status, headers) = (response.status, response.headers.clone());
    let body = response.collect(RESPONSE_BYTES).await?;
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// Code and text of an error object, in the shapes that providers use.
pub fn error_of(json: &Value) -> (Option<String>, Option<String>) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(short);
    let nested = json.get("error").filter(|error| error.is_object());
    let object = nested.unwrap_or(json);
    let code = text(json.get("error"))
        .or_else(|| text(object.get("code")))
        .or_else(|| text(object.get("type")));
    let said = text(json.get("error_description"))
        .or_else(|| text(object.get("message")))
        .or_else(|| text(json.get("message")));
    (code.filter(|code| is_word(code)), said)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn short(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(REASON_CHARS)
        .collect()
}

fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers
        .get(http::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim();
    let wait = match text.parse::<f64>() {
        Ok(seconds) => expiry::from_seconds(seconds)?,
        Err(_) => http_date(text)?.since(now),
    };
    Some(wait.min(LONGEST_PAUSE))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    let rest = text.split_once(", ")?.1;
    let mut parts = rest.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let time = parts.next()?;
    let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = names.find(month)? / 3 + 1;
    Timestamp::parse_iso(&format!("{year}-{month:02}-{day:0>2}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode, header};
    use serde_json::json;
    use tenon_core::Timestamp;

    use super::{Answer, Reached, TokenFailure, form};

    fn answer(status: u16, content_type: &'static str, body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn forms_write_spaces_as_percent_20() {
        let params = json!({ "scope": "a b", "code": "x+y/z=", "n": 1, "gone": null, "on": true });
        assert_eq!(
            form(params.as_object().unwrap()),
            "scope=a%20b&code=x%2By%2Fz%3D&n=1&on=true"
        );
    }

    /// FAULTS 27.
    #[test]
    fn answers_that_are_no_json_are_told_apart() {
        let cases = [
            ("text/html", "<html>hello</html>", "not_json"),
            ("application/json", "<html>hello</html>", "not_json"),
            ("application/json", "", "empty_answer"),
            (
                "application/x-www-form-urlencoded",
                "access_token=a",
                "not_json",
            ),
            ("text/plain", "{\"access_token\":\"a\"}", "not_json"),
            ("application/json", "[1]", "not_an_object"),
        ];
        for (content_type, body, cause) in cases {
            let failure = answer(200, content_type, body).object().unwrap_err();
            assert_eq!(failure.cause, cause, "{content_type} {body}");
            assert!(!failure.is_transient());
        }
        assert!(
            answer(200, "application/json; charset=utf-8", "{}")
                .object()
                .is_ok()
        );
        assert!(
            answer(200, "application/vnd.api+json", "{}")
                .object()
                .is_ok()
        );
    }

    #[test]
    fn refusals_keep_code_words_and_pause() {
        let now = Timestamp::from_secs(784_111_747);
        let mut busy = answer(503, "text/html", "<h1>later</h1>");
        busy.headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"),
        );
        let failure = TokenFailure::of_status(&busy, now);
        assert_eq!(failure.retry_after, Some(Duration::from_secs(30)));
        assert!(failure.is_transient());
        assert_eq!(failure.reached, Reached::Yes);

        let body = r#"{"error":"invalid_grant","error_description":"Token has been revoked"}"#;
        let failure = TokenFailure::of_status(&answer(400, "application/json", body), now);
        assert_eq!(failure.cause, "invalid_grant");
        assert!(
            failure.reason.ends_with("Token has been revoked"),
            "{failure}"
        );
        assert!(!failure.is_transient());
    }
}
