//! Where a request goes (auth-and-proxy.md, 10.2).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tenon_core::{auth::AuthMode, function::ProxyParams};
use tenon_providers::{
    Provider,
    template::{self, Context, Variables},
};
use url::Url;

use super::{ask::Ask, auth::Auth, send::ProxyError};
use crate::egress::Hosts;

/// What JavaScript's `encodeURIComponent` leaves alone.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Values on their way into a path or query: they cannot leave their place.
struct Encoded<'a>(&'a dyn Variables);

impl Variables for Encoded<'_> {
    fn value(&self, path: &str) -> Option<Cow<'_, str>> {
        let value = self.0.value(path)?;
        Some(Cow::Owned(
            utf8_percent_encode(&value, COMPONENT).to_string(),
        ))
    }
}

/// The URL of a request, provider query included.
pub(super) fn build(
    provider: &Provider,
    auth: &Auth<'_>,
    ask: &Ask,
    context: &Context<'_>,
) -> Result<Url, ProxyError> {
    let base = base(provider, auth, ask, context)?;
    let base = base.trim_end_matches('/');
    let endpoint = within(&ask.endpoint, provider.base_url().unwrap_or_default(), base);
    let endpoint = filled(&endpoint, context);
    let mut text = String::with_capacity(base.len() + endpoint.len() + 1);
    text.push_str(base);
    if !endpoint.is_empty() && !endpoint.starts_with(['?', '#']) {
        text.push('/');
    }
    text.push_str(&endpoint);
    if let Some(ProxyParams::Text(params)) = &ask.params {
        if endpoint.contains('?') {
            return Err(ProxyError::InvalidQueryParams);
        }
        text.push('?');
        text.push_str(params.trim_start_matches('?'));
    }
    let mut url = Url::parse(&text).map_err(|_| ProxyError::InvalidBaseUrl(base.to_owned()))?;
    url.set_fragment(None);
    if let Some(ProxyParams::Pairs(pairs)) = &ask.params {
        set(&mut url, pairs);
    }
    set(&mut url, &provider_query(provider, auth, context));
    Ok(url)
}

/// The address that the endpoint is appended to.
fn base<'a>(
    provider: &'a Provider,
    auth: &Auth<'a>,
    ask: &'a Ask,
    context: &Context<'_>,
) -> Result<Cow<'a, str>, ProxyError> {
    let given = ask
        .base_url_override
        .as_deref()
        .filter(|text| !text.is_empty());
    if let Some(given) = given {
        let given = filled(given, context);
        return match Url::parse(&given) {
            Ok(url) if url.has_host() => Ok(Cow::Owned(given.into_owned())),
            _ => Err(ProxyError::InvalidBaseUrl(given.into_owned())),
        };
    }
    own_base(provider, auth, context)
}

/// The address of the provider itself.
fn own_base<'a>(
    provider: &'a Provider,
    auth: &Auth<'a>,
    context: &Context<'_>,
) -> Result<Cow<'a, str>, ProxyError> {
    let own = match auth.mode {
        AuthMode::AwsSigV4 => auth.connection_config.get("base_url"),
        _ => auth.integration_config.get("baseUrl"),
    };
    if let Some(own) = own.and_then(Value::as_str).filter(|text| !text.is_empty()) {
        return Ok(Cow::Borrowed(own));
    }
    // An MCP server that a person named is where requests go, unless the entry knows better.
    let server = auth.connection_config.get("mcp_server_url");
    if auth.mode == AuthMode::McpOAuth2Generic
        && provider.base_url().is_none()
        && let Some(server) = server.and_then(Value::as_str)
    {
        return Ok(Cow::Borrowed(server));
    }
    let template = provider
        .base_url()
        .filter(|template| !template.is_empty())
        .ok_or_else(|| ProxyError::MissingApiUrl(provider.name.clone()))?;
    if !template.contains("${") && !template.contains(" || ") {
        return Ok(Cow::Borrowed(template));
    }
    let rendered = if provider.writes_base_url_unencoded() {
        template::render_url_raw(template, context)
    } else {
        template::render_url(template, context)
    };
    match rendered {
        Ok(url) => Ok(Cow::Owned(url.into())),
        Err(_) => Err(ProxyError::MissingApiUrl(provider.name.clone())),
    }
}

/// Members of a provider's definition that say where it is, besides its base.
const ADDRESSES: [&str; 5] = [
    "authorization_url",
    "token_url",
    "refresh_url",
    "request_url",
    "registration_url",
];

/// Hosts of the provider, as its definition names them for this connection, and those that are open besides.
pub(super) fn hosts(
    provider: &Provider,
    auth: &Auth<'_>,
    context: &Context<'_>,
    besides: &[String],
) -> Hosts {
    let mut hosts = Hosts::new(besides.iter().cloned());
    if let Ok(base) = own_base(provider, auth, context)
        && let Ok(url) = Url::parse(&base)
    {
        hosts.add(&url);
    }
    let named = ADDRESSES.iter().filter_map(|name| provider.raw.get(*name));
    for address in named {
        let texts: Vec<&str> = match address {
            Value::String(text) => vec![text],
            Value::Object(several) => several.values().filter_map(Value::as_str).collect(),
            _ => continue,
        };
        for text in texts {
            // One that needs what the connection does not have leads nowhere.
            if let Ok(url) = template::render_url(text, context) {
                hosts.add(&url);
            }
        }
    }
    hosts
}

/// The endpoint without a base that it repeats.
fn within<'a>(endpoint: &'a str, literal: &str, effective: &str) -> Cow<'a, str> {
    if !literal.is_empty()
        && let Some((before, behind)) = endpoint.split_once(literal)
    {
        let rest = format!("{before}{behind}");
        return Cow::Owned(rest.trim_start_matches('/').to_owned());
    }
    // The client of 2023 writes `/proxy/` in front of an endpoint that has its own slash.
    let bare = endpoint.trim_start_matches('/');
    if let Some(rest) = bare.strip_prefix(effective)
        && (rest.is_empty() || rest.starts_with(['/', '?', '#']))
    {
        return Cow::Borrowed(rest.trim_start_matches('/'));
    }
    Cow::Borrowed(bare)
}

/// Fills placeholders in what the caller wrote. Those without a value go out as text, under the name that the reference
/// gives them.
fn filled<'a>(text: &'a str, context: &Context<'_>) -> Cow<'a, str> {
    if !text.contains("${") {
        return Cow::Borrowed(text);
    }
    let encoded = Encoded(context.variables);
    let mut context = *context;
    context.variables = &encoded;
    let filled = template::render(text, &context);
    Cow::Owned(filled.replace("${connectionConfig.", "${connection_config."))
}

/// Query parameters of the provider whose templates resolve.
fn provider_query(
    provider: &Provider,
    auth: &Auth<'_>,
    context: &Context<'_>,
) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    if let Some(proxy) = &provider.proxy {
        for (name, template) in &proxy.query {
            if let Ok(value) = template::render_resolved(template, context) {
                pairs.push((name.clone(), value));
            }
        }
    }
    if let Some(key) = own_key(auth, "query", context) {
        pairs.push(key);
    }
    pairs
}

/// Name and value of a key whose place the owner of the integration chose.
pub(super) fn own_key(
    auth: &Auth<'_>,
    place: &str,
    context: &Context<'_>,
) -> Option<(String, String)> {
    let text = |name: &str| auth.integration_config.get(name).and_then(Value::as_str);
    let name = text("keyName")?;
    if text("keyPlacement").unwrap_or("header") != place {
        return None;
    }
    let template = text("valueTemplate").unwrap_or("${apiKey}");
    let value = template::render_resolved(template, context).ok()?;
    Some((name.to_owned(), value))
}

/// Sets query parameters as `URLSearchParams.set` and `append` do: the first pair of a name replaces what was there.
fn set(url: &mut Url, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        return;
    }
    let mut all: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    for (index, (name, value)) in pairs.iter().enumerate() {
        let first = !pairs[..index].iter().any(|(known, _)| known == name);
        let place = all.iter().position(|(known, _)| known == name);
        match place {
            Some(place) if first => {
                all[place].1.clone_from(value);
                let mut at = 0;
                all.retain(|(known, _)| {
                    at += 1;
                    known != name || at <= place + 1
                });
            }
            _ => all.push((name.clone(), value.clone())),
        }
    }
    url.query_pairs_mut().clear().extend_pairs(&all);
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};
    use tenon_core::{Timestamp, auth::AuthMode, function::ProxyParams};
    use tenon_providers::{Provider, template::Context};
    use uuid::Uuid;

    use super::{build, within};
    use crate::proxy::{
        ask::{Ask, AskBody},
        auth::Auth,
        send::ProxyError,
    };

    fn provider(value: Value) -> Provider {
        serde_json::from_value(value).unwrap()
    }

    fn ask(endpoint: &str) -> Ask {
        Ask {
            method: http::Method::GET,
            endpoint: endpoint.to_owned(),
            params: None,
            headers: http::HeaderMap::new(),
            body: AskBody::Bytes(bytes::Bytes::new()),
            base_url_override: None,
            decompress: None,
            keep_headers: None,
            hosts: None,
            templates: Vec::new(),
        }
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn url(provider: &Provider, ask: &Ask) -> Result<String, ProxyError> {
        let credentials = object(json!({"apiKey": "k/1"}));
        let config = object(json!({"sub": "acme", "path": "a/b?c"}));
        let none = Map::new();
        let auth = Auth {
            mode: AuthMode::ApiKey,
            credentials: &credentials,
            connection_config: &config,
            integration_config: &none,
            client_id: None,
            client_secret: None,
            dpop_key: None,
        };
        let scope = auth.scope();
        let context = Context::new(&scope, Timestamp::from_secs(0), Uuid::nil());
        build(provider, &auth, ask, &context).map(Into::into)
    }

    #[test]
    fn endpoints_join_with_one_slash() {
        let provider =
            provider(json!({"auth_mode": "NONE", "proxy": {"base_url": "http://a.test/api/"}}));
        let cases = [
            ("", "http://a.test/api"),
            ("/", "http://a.test/api"),
            ("/echo", "http://a.test/api/echo"),
            ("echo", "http://a.test/api/echo"),
            ("//echo", "http://a.test/api/echo"),
            ("/x/../echo", "http://a.test/api/echo"),
            ("?a=1", "http://a.test/api?a=1"),
            (
                "/a%2Fb/echo?x=%E2%9C%93",
                "http://a.test/api/a%2Fb/echo?x=%E2%9C%93",
            ),
            (
                "/echo?a=1&a=2&b[]=x&c[k]=v&d=%20+%26&e",
                "http://a.test/api/echo?a=1&a=2&b[]=x&c[k]=v&d=%20+%26&e",
            ),
            ("/${connectionConfig.sub}/x", "http://a.test/api/acme/x"),
            (
                "/${connectionConfig.path}/x",
                "http://a.test/api/a%2Fb%3Fc/x",
            ),
            (
                "/${connectionConfig.none}/x",
                "http://a.test/api/$%7Bconnection_config.none%7D/x",
            ),
            ("/http://a.test/api/echo", "http://a.test/api/echo"),
        ];
        for (endpoint, wanted) in cases {
            assert_eq!(
                url(&provider, &ask(endpoint)).unwrap(),
                wanted,
                "{endpoint}"
            );
        }
    }

    #[test]
    fn a_base_is_stripped_at_a_real_boundary_only() {
        assert_eq!(within("https://a.test/x", "", "https://a.test"), "x");
        assert_eq!(
            within("https://a.test.evil/x", "", "https://a.test"),
            "https://a.test.evil/x"
        );
    }

    #[test]
    fn parameters_are_set_or_appended() {
        let provider = provider(json!({"auth_mode": "NONE", "proxy": {
            "base_url": "http://${connectionConfig.sub}.test",
            "query": {"key": "${apiKey}", "gone": "${connectionConfig.none}"}
        }}));
        let mut asked = ask("/x?a=1&b=2&a=3");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        asked.params = Some(ProxyParams::Pairs(vec![
            pair("a", "9"),
            pair("a", "8"),
            pair("c", " "),
        ]));
        assert_eq!(
            url(&provider, &asked).unwrap(),
            "http://acme.test/x?a=9&b=2&a=8&c=+&key=k%2F1"
        );
        asked.params = Some(ProxyParams::Text("z=1".to_owned()));
        assert!(matches!(
            url(&provider, &asked),
            Err(ProxyError::InvalidQueryParams)
        ));
    }

    #[test]
    fn a_base_without_its_parameter_is_missing() {
        let provider = provider(
            json!({"auth_mode": "NONE", "proxy": {"base_url": "http://${connectionConfig.none}.test"}}),
        );
        assert!(matches!(
            url(&provider, &ask("/x")),
            Err(ProxyError::MissingApiUrl(_))
        ));
        let mut asked = ask("/x");
        asked.base_url_override = Some("http://b.test/y/".to_owned());
        assert_eq!(url(&provider, &asked).unwrap(), "http://b.test/y/x");
    }
}
