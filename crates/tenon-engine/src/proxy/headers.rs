//! Headers of a request (auth-and-proxy.md, 10.3): defaults, then the mode, then the provider, then the caller.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tenon_providers::{
    Provider,
    template::{self, Context},
};

use super::{auth::Auth, url::own_key};
use crate::egress::{EgressError, checked_header};

/// What this server calls itself.
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tenon/", env!("CARGO_PKG_VERSION")));

const ACCEPT: HeaderValue = HeaderValue::from_static("application/json, text/plain, */*");

const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("gzip, compress, deflate, br");

/// The headers of a request; the caller's win, but a provider that insists on its user agent gets it.
pub(super) fn build(
    provider: &Provider,
    auth: &Auth<'_>,
    caller: &HeaderMap,
    context: &Context<'_>,
) -> Result<HeaderMap, EgressError> {
    let mut headers = HeaderMap::with_capacity(8 + caller.len());
    headers.insert(header::ACCEPT, ACCEPT);
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers.insert(header::ACCEPT_ENCODING, ACCEPT_ENCODING);
    if let Some(authorization) = auth.default_authorization(provider) {
        put(&mut headers, "authorization", &authorization)?;
    }
    for (name, value) in auth.default_headers() {
        put(&mut headers, name, &value)?;
    }
    let fixed_agent = put_provider(&mut headers, provider, context)?;
    if let Some((name, value)) = own_key(auth, "header", context) {
        put(&mut headers, &name, &value)?;
    }
    merge(&mut headers, caller, fixed_agent);
    Ok(headers)
}

/// Adds the provider's headers whose templates resolve; says whether a user agent is among them.
fn put_provider(
    headers: &mut HeaderMap,
    provider: &Provider,
    context: &Context<'_>,
) -> Result<bool, EgressError> {
    let mut fixed_agent = false;
    let Some(proxy) = &provider.proxy else {
        return Ok(false);
    };
    for (name, template) in &proxy.headers {
        if let Ok(value) = template::render_resolved(template, context) {
            put(headers, name, &value)?;
            fixed_agent |= name.eq_ignore_ascii_case("user-agent");
        }
    }
    Ok(fixed_agent)
}

fn merge(headers: &mut HeaderMap, caller: &HeaderMap, fixed_agent: bool) {
    let mut last: Option<&HeaderName> = None;
    for (name, value) in caller {
        if fixed_agent && name == header::USER_AGENT {
            continue;
        }
        if last == Some(name) {
            headers.append(name, value.clone());
        } else {
            headers.insert(name, value.clone());
        }
        last = Some(name);
    }
}

/// Sets a header whose name or value comes from data.
pub(super) fn put(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), EgressError> {
    let (name, value) = checked_header(name, value)?;
    headers.insert(name, value);
    Ok(())
}
