//! A call of the function as a request to the server's proxy (auth-and-proxy.md, 10.1).

use reqwest::Method;
use tenon_core::function::{HttpReply, ProxyBody, ProxyCall, ProxyParams};
use url::Url;

use crate::commands::server::{Answer, Request};

/// Where the call goes, unless it says otherwise.
pub(super) struct Route<'r> {
    pub(super) integration: &'r str,
    pub(super) connection: &'r str,
    pub(super) base_url: Option<&'r str>,
}

/// The request; `None` where the method is no method.
pub(super) fn of(call: &ProxyCall, route: &Route<'_>) -> Option<Request> {
    let method = Method::from_bytes(call.method.as_bytes()).ok()?;
    let (origin, path, mut query) = parts(&call.endpoint);
    extend(&mut query, call.params.as_ref());
    let mut request = Request::get(format!("/proxy/{}", path.trim_start_matches('/')));
    request.method = method;
    if !query.is_empty() {
        request.path = format!("{}?{query}", request.path);
    }
    let connection = call.connection_id.as_deref().unwrap_or(route.connection);
    let integration = call
        .provider_config_key
        .as_deref()
        .unwrap_or(route.integration);
    request = request
        .header("connection-id", connection)
        .header("provider-config-key", integration)
        .header("nango-is-sync", "true")
        .header("nango-is-dry-run", "true")
        .header("retries", call.retries.to_string());
    // A simulator stands in for every address of the provider.
    let base_url = route.base_url.map(str::to_owned);
    if let Some(base_url) = base_url
        .or_else(|| call.base_url_override.clone())
        .or(origin)
    {
        request = request.header("base-url-override", base_url);
    }
    if !call.retry_on.is_empty() {
        let statuses: Vec<String> = call.retry_on.iter().map(u16::to_string).collect();
        request = request.header("retry-on", statuses.join(","));
    }
    if let Some(decompress) = call.decompress {
        request = request.header("decompress", decompress.to_string());
    }
    if let Some(forward) = call.forward_headers_on_redirect {
        request = request.header("forward-headers-on-redirect", forward.to_string());
    }
    for (name, value) in &call.headers {
        request = request.header(&format!("nango-proxy-{name}"), value.as_str());
    }
    Some(with_body(request, call))
}

fn with_body(mut request: Request, call: &ProxyCall) -> Request {
    let (kind, body) = match &call.body {
        ProxyBody::Empty => return request,
        ProxyBody::Json(text) => ("application/json", text.clone()),
        ProxyBody::Text(text) => ("text/plain", text.clone().into()),
        ProxyBody::Bytes(bytes) => ("application/octet-stream", bytes.clone()),
        ProxyBody::Form(pairs) => {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish();
            ("application/x-www-form-urlencoded", form.into())
        }
    };
    let given = call
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let kind = given.map_or(kind, |(_, value)| value.as_str());
    request = request.header("content-type", kind);
    request.body = Some(body);
    request
}

/// Origin of an absolute address, path, and query without `?`.
fn parts(endpoint: &str) -> (Option<String>, String, String) {
    if let Ok(url) = Url::parse(endpoint)
        && matches!(url.scheme(), "http" | "https")
    {
        let query = url.query().unwrap_or_default().to_owned();
        return (
            Some(url.origin().ascii_serialization()),
            url.path().to_owned(),
            query,
        );
    }
    let whole = endpoint.split('#').next().unwrap_or_default();
    let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
    (None, path.to_owned(), query.to_owned())
}

/// Text is appended; pairs replace what has their name already.
fn extend(query: &mut String, params: Option<&ProxyParams>) {
    match params {
        None => {}
        Some(ProxyParams::Text(text)) => {
            let text = text.trim_start_matches('?');
            if !query.is_empty() && !text.is_empty() {
                query.push('&');
            }
            query.push_str(text);
        }
        Some(ProxyParams::Pairs(pairs)) => {
            let mut all: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .filter(|(name, _)| !pairs.iter().any(|(given, _)| given == name))
                .collect();
            all.extend(pairs.iter().cloned());
            *query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(all)
                .finish();
        }
    }
}

/// The provider's answer as the server passed it on.
pub(super) fn reply(answer: Answer, endpoint: &str) -> HttpReply {
    HttpReply {
        status: answer.status.as_u16(),
        status_text: answer
            .status
            .canonical_reason()
            .unwrap_or_default()
            .to_owned(),
        headers: answer.headers,
        body: answer.body,
        url: endpoint.to_owned(),
        ..HttpReply::default()
    }
}

#[cfg(test)]
mod tests {
    use tenon_core::function::{ProxyBody, ProxyCall, ProxyParams};

    use super::{Route, of};

    const ROUTE: Route<'_> = Route {
        integration: "crm",
        connection: "alice",
        base_url: None,
    };

    #[test]
    fn calls_become_requests_to_the_proxy() {
        let call = ProxyCall {
            endpoint: "/v1/items?page=1&size=2".to_owned(),
            method: "POST".to_owned(),
            params: Some(ProxyParams::Pairs(vec![(
                "page".to_owned(),
                "a b".to_owned(),
            )])),
            headers: vec![("X-Version".to_owned(), "3".to_owned())],
            body: ProxyBody::Json("{}".into()),
            retries: 4,
            retry_on: vec![404, 409],
            ..ProxyCall::default()
        };
        let request = of(&call, &ROUTE).unwrap();
        assert_eq!(request.path, "/proxy/v1/items?size=2&page=a+b");
        for (name, value) in [
            ("connection-id", "alice"),
            ("provider-config-key", "crm"),
            ("retries", "4"),
            ("retry-on", "404,409"),
            ("nango-proxy-X-Version", "3"),
            ("content-type", "application/json"),
        ] {
            let found = request.headers.iter().find(|(known, _)| known == name);
            assert_eq!(
                found.map(|(_, value)| value.as_str()),
                Some(value),
                "{name}"
            );
        }
    }

    #[test]
    fn absolute_addresses_and_simulators_override_the_base() {
        let call = ProxyCall {
            endpoint: "https://files.example/v1/a%20b?x=1".to_owned(),
            method: "GET".to_owned(),
            ..ProxyCall::default()
        };
        let base = |request: &super::Request| {
            let mut headers = request.headers.iter();
            headers
                .find(|(name, _)| name == "base-url-override")
                .map(|(_, value)| value.clone())
        };
        let request = of(&call, &ROUTE).unwrap();
        assert_eq!(request.path, "/proxy/v1/a%20b?x=1");
        assert_eq!(base(&request).as_deref(), Some("https://files.example"));
        let simulated = Route {
            base_url: Some("http://127.0.0.1:4010"),
            ..ROUTE
        };
        let request = of(&call, &simulated).unwrap();
        assert_eq!(base(&request).as_deref(), Some("http://127.0.0.1:4010"));
    }
}
