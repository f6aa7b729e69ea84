//! One attempt's request, from what is asked and the credentials of the moment.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Map, Value};
use tenon_core::{Timestamp, limits};
use tenon_providers::{
    Provider,
    template::{self, Context, RequestParts, Variables},
};
use url::Url;
use uuid::Uuid;

use super::{
    ask::{Ask, AskBody, takes_body},
    auth::Auth,
    headers,
    send::ProxyError,
    sign::{Unsigned, sign},
    url as address,
};
use crate::{
    auth::dpop::Nonces,
    egress::{AcrossOrigins, EgressBody, EgressOptions, EgressRequest},
};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Time and randomness of one attempt.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) random: Uuid,
}

/// Builds the request of one attempt; takes the body if it can be sent only once.
pub(super) fn request(
    provider: &Provider,
    auth: &Auth<'_>,
    ask: &mut Ask,
    moment: Moment,
    nonces: &Nonces,
) -> Result<EgressRequest, ProxyError> {
    let scope = auth.scope();
    let context = Context::new(&scope, moment.now, moment.random);
    let url = address::build(provider, auth, ask, &context)?;
    let body = body(provider, ask, &context)?;
    let known = match &body.sent {
        EgressBody::Bytes(bytes) => Some(bytes.clone()),
        EgressBody::Empty => Some(Bytes::new()),
        EgressBody::Stream { .. } => None,
    };
    let bytes = known.clone().unwrap_or_default();
    let hosts = ask
        .hosts
        .as_ref()
        .map(|besides| address::hosts(provider, auth, &context, besides));
    let host = host(&url);
    let seen = Seen {
        scope: &scope,
        method: &ask.method,
        url: &url,
        host: &host,
        body: &bytes,
        content_type: body.content_type.as_deref(),
    };
    let parts = RequestParts {
        method: ask.method.as_str(),
        host: &host,
        path: url.path(),
        query: url.query().unwrap_or_default(),
        body: &bytes,
        content_type: body.content_type.as_deref(),
    };
    let context = Context::new(&seen, moment.now, moment.random).with_request(parts);
    let mut headers =
        headers::build(provider, auth, &ask.headers, &context).map_err(ProxyError::Header)?;
    for (name, template) in &ask.templates {
        if let Ok(value) = template::render_resolved(template, &context) {
            headers::put(&mut headers, name, &value).map_err(ProxyError::Header)?;
        }
    }
    if let Some(content_type) = &body.content_type
        && !headers.contains_key(header::CONTENT_TYPE)
    {
        let value = HeaderValue::from_str(content_type)
            .map_err(|_| ProxyError::Body("its content type cannot be sent".to_owned()))?;
        headers.insert(header::CONTENT_TYPE, value);
    }
    let nonce = moment.random.simple().to_string();
    let server_nonce = auth.dpop_key.and_then(|_| nonces.find(&url));
    let unsigned = Unsigned {
        method: ask.method.as_str(),
        url: &url,
        body: known.as_deref(),
        nonce: &nonce,
        server_nonce: server_nonce.as_deref(),
        now: moment.now,
    };
    sign(provider, auth, &unsigned, &mut headers)?;
    let mut request =
        EgressRequest::new(ask.method.clone(), url).options(options(provider, auth, ask));
    request.options.hosts = hosts;
    request.headers = headers;
    request.body = body.sent;
    Ok(request)
}

fn options(provider: &Provider, auth: &Auth<'_>, ask: &Ask) -> EgressOptions {
    let keep = ask.keep_headers.unwrap_or(false)
        || provider
            .proxy
            .as_ref()
            .is_some_and(|proxy| proxy.forward_headers_on_redirect);
    EgressOptions {
        max_redirects: limits::REDIRECTS,
        across_origins: if keep {
            AcrossOrigins::KeepAll
        } else {
            AcrossOrigins::DropCredentials
        },
        // The provider may take its time; only silence is limited.
        timeout: None,
        max_response_bytes: None,
        decompress: ask.decompress != Some(false),
        identity: auth.identity(provider),
        hosts: None,
    }
}

struct Body {
    sent: EgressBody,
    content_type: Option<Cow<'static, str>>,
}

impl Body {
    fn of(bytes: impl Into<Bytes>, content_type: &'static str) -> Self {
        Self {
            sent: EgressBody::Bytes(bytes.into()),
            content_type: Some(Cow::Borrowed(content_type)),
        }
    }
}

fn body(provider: &Provider, ask: &mut Ask, context: &Context<'_>) -> Result<Body, ProxyError> {
    // What HTTP clients of the reference put beside a body that they know nothing about.
    let default_type = matches!(ask.method, Method::POST | Method::PUT | Method::PATCH)
        .then_some(Cow::Borrowed(FORM));
    let as_is = |sent| Body {
        sent,
        content_type: default_type,
    };
    if !takes_body(&ask.method) {
        return Ok(Body {
            sent: EgressBody::Empty,
            content_type: None,
        });
    }
    let additions = additions(provider, context);
    let wants_form = wants_form(provider, &ask.headers);
    match &mut ask.body {
        AskBody::Stream(stream) => Ok(as_is(stream.take().unwrap_or_default())),
        AskBody::Bytes(bytes) if bytes.is_empty() && additions.is_empty() => {
            Ok(as_is(EgressBody::Empty))
        }
        AskBody::Bytes(bytes) if bytes.is_empty() => Ok(written(additions, wants_form)),
        AskBody::Bytes(bytes) => Ok(as_is(EgressBody::Bytes(bytes.clone()))),
        AskBody::Json(bytes) if additions.is_empty() && !wants_form => {
            Ok(Body::of(bytes.clone(), JSON))
        }
        AskBody::Json(bytes) => match serde_json::from_slice(bytes) {
            Ok(Value::Object(mut object)) => {
                merge(&mut object, additions);
                Ok(written(object, wants_form))
            }
            Ok(_) => Ok(Body::of(bytes.clone(), JSON)),
            Err(error) => Err(ProxyError::Body(error.to_string())),
        },
        AskBody::Form(fields) => {
            let mut fields = fields.clone();
            merge(&mut fields, additions);
            Ok(written(fields, wants_form))
        }
    }
}

fn written(object: Map<String, Value>, as_form: bool) -> Body {
    if as_form {
        Body::of(form(&object), FORM)
    } else {
        Body::of(Value::Object(object).to_string(), JSON)
    }
}

/// What the provider puts into every body.
fn additions(provider: &Provider, context: &Context<'_>) -> Map<String, Value> {
    match &provider.proxy {
        Some(proxy) if !proxy.body.is_empty() => template::render_map(&proxy.body, context),
        _ => Map::new(),
    }
}

/// The caller's own members win, at every depth.
fn merge(object: &mut Map<String, Value>, additions: Map<String, Value>) {
    for (name, value) in additions {
        match (object.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(more)) => merge(known, more),
            (Some(_), _) => {}
            (None, value) => {
                object.insert(name, value);
            }
        }
    }
}

fn wants_form(provider: &Provider, caller: &HeaderMap) -> bool {
    let given = caller
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let own = provider
        .proxy
        .as_ref()
        .and_then(|proxy| proxy.headers.get("content-type"))
        .map(String::as_str);
    given
        .or(own)
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with(FORM))
}

/// Form encoding of nested fields, with brackets.
pub(super) fn form(fields: &Map<String, Value>) -> String {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        put_field(&mut out, name, value);
    }
    out.finish()
}

fn put_field(out: &mut url::form_urlencoded::Serializer<'_, String>, name: &str, value: &Value) {
    match value {
        Value::Null => {
            out.append_pair(name, "");
        }
        Value::Bool(flag) => {
            out.append_pair(name, if *flag { "true" } else { "false" });
        }
        Value::Number(number) => {
            out.append_pair(name, &number.to_string());
        }
        Value::String(text) => {
            out.append_pair(name, text);
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let name = if item.is_object() || item.is_array() {
                    format!("{name}[{index}]")
                } else {
                    format!("{name}[]")
                };
                put_field(out, &name, item);
            }
        }
        Value::Object(members) => {
            for (member, value) in members {
                put_field(out, &format!("{name}[{member}]"), value);
            }
        }
    }
}

fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}

/// The request itself, for headers that sign it (section 8); computed only when a template asks.
struct Seen<'a> {
    scope: &'a dyn Variables,
    method: &'a Method,
    url: &'a Url,
    host: &'a str,
    body: &'a [u8],
    content_type: Option<&'a str>,
}

impl Variables for Seen<'_> {
    fn value(&self, path: &str) -> Option<Cow<'_, str>> {
        let text = |text: &str| Some(Cow::Owned(text.to_owned()));
        match path {
            "method" => text(self.method.as_str()),
            "host" => text(self.host),
            "path" => text(self.url.path()),
            "endpoint" => match self.url.query() {
                Some(query) => Some(Cow::Owned(format!("{}?{query}", self.url.path()))),
                None => text(self.url.path()),
            },
            "contentType" => text(self.content_type.unwrap_or_default()),
            "urlCanonicalParams" => Some(Cow::Owned(self.query())),
            "bodyCanonicalParams" => Some(String::from_utf8_lossy(self.body)),
            "params" => Some(Cow::Owned(self.params())),
            _ => self.scope.value(path),
        }
    }
}

impl Seen<'_> {
    /// The query, sorted and strictly encoded.
    fn query(&self) -> String {
        canonical(self.url.query_pairs().into_owned().collect())
    }

    /// The parameters wherever they are: in the query, or in the members of a JSON or form body.
    fn params(&self) -> String {
        if self.body.is_empty() {
            return self.query();
        }
        let pairs = match serde_json::from_slice::<Value>(self.body) {
            Ok(Value::Object(members)) => url::form_urlencoded::parse(form(&members).as_bytes())
                .into_owned()
                .collect(),
            _ => url::form_urlencoded::parse(self.body)
                .into_owned()
                .collect(),
        };
        canonical(pairs)
    }
}

fn canonical(mut pairs: Vec<(String, String)>) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    pairs.sort();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| {
            format!(
                "{}={}",
                utf8_percent_encode(name, UNRESERVED),
                utf8_percent_encode(value, UNRESERVED)
            )
        })
        .collect();
    pairs.join("&")
}
