//! What a server says about itself, and the provider that follows from it.

use std::sync::Arc;

use serde_json::{Map, Value};
use tenon_core::auth::AuthMode;
use tenon_providers::{AuthorizationMethod, Provider, Revocation, TokenUrl};
use url::{Host, Url};

use crate::{
    Engine,
    auth::{
        issue::{Party, text},
        request::TokenFailure,
    },
};

/// Where a connection keeps what its server said.
pub(super) const METADATA: &str = "oauth_metadata";

/// Where a connection keeps what its tokens are for (RFC 8707).
pub(super) const RESOURCE: &str = "oauth_resource_url";

/// Where a connection keeps how we are known to its server.
pub(super) const CLIENT_INFO: &str = "oauth_client_info";

/// Members of the metadata that are kept: they are shown to whoever reads the connection.
const KEPT: [&str; 11] = [
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
    "revocation_endpoint",
    "scopes_supported",
    "grant_types_supported",
    "token_endpoint_auth_methods_supported",
    "code_challenge_methods_supported",
    "client_id_metadata_document_supported",
    "authorization_response_iss_parameter_supported",
];

/// Most scopes that are asked for because a server names them.
const SCOPES: usize = 100;

/// An authorization server, checked.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub issuer: String,
    pub registration_endpoint: Option<Url>,
    pub scopes: Vec<String>,
    /// Whether it takes the address of a document as a client id.
    pub takes_documents: bool,
    /// What is kept of its metadata.
    pub metadata: Map<String, Value>,
}

impl Server {
    /// Reads and checks metadata; the error says what is wrong with it.
    pub(super) fn of(metadata: &Map<String, Value>, rule: UrlRule) -> Result<Self, String> {
        for name in ["authorization_endpoint", "token_endpoint"] {
            let address = text(metadata, name).ok_or_else(|| format!("it names no `{name}`"))?;
            rule.check(address)
                .map_err(|reason| format!("its `{name}` {reason}"))?;
        }
        let registration_endpoint = text(metadata, "registration_endpoint")
            .map(|address| rule.check(address))
            .transpose()
            .map_err(|reason| format!("its `registration_endpoint` {reason}"))?;
        // Without it a stolen code could be used by anybody: no server gets around this, also not one that once had it.
        if !texts(metadata, "code_challenge_methods_supported").contains(&"S256".to_owned()) {
            return Err("it does not say that it supports PKCE with `S256`".to_owned());
        }
        let kept = KEPT
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), metadata.get(*name)?.clone())));
        Ok(Self {
            issuer: text(metadata, "issuer").unwrap_or_default().to_owned(),
            registration_endpoint,
            scopes: texts(metadata, "scopes_supported"),
            takes_documents: metadata.get("client_id_metadata_document_supported")
                == Some(&Value::Bool(true)),
            metadata: kept.collect(),
        })
    }
}

/// The texts of a list.
pub(super) fn texts(object: &Map<String, Value>, name: &str) -> Vec<String> {
    let items = object.get(name).and_then(Value::as_array);
    let texts = items.into_iter().flatten().filter_map(Value::as_str);
    texts.take(SCOPES).map(str::to_owned).collect()
}

/// Which addresses may be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct UrlRule {
    /// Where loopback is open, it may be spoken to without TLS.
    pub loopback: bool,
}

impl UrlRule {
    /// An address that a server names: HTTPS, without user, fragment and placeholders.
    pub(super) fn check(self, address: &str) -> Result<Url, &'static str> {
        let url = Url::parse(address).map_err(|_| "is no URL")?;
        let is_local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() != "https" && !(self.loopback && is_local && url.scheme() == "http") {
            return Err("is not HTTPS");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds a user name");
        }
        if url.fragment().is_some() {
            return Err("holds a fragment");
        }
        if address.contains("${") || url.as_str().contains("${") {
            return Err("holds a placeholder");
        }
        Ok(url)
    }

    /// The address of an MCP server, as a person gave it: with a name, not an address in numbers.
    pub(super) fn check_server(self, address: &str) -> Result<Url, &'static str> {
        let url = self.check(address)?;
        let is_name = matches!(url.host(), Some(Host::Domain(_)));
        if !is_name && !self.loopback {
            return Err("has an address in numbers instead of a name");
        }
        Ok(url)
    }
}

/// The provider of a connection whose server was asked for its addresses; nothing for all others.
pub(in crate::auth) fn served(party: &Party<'_>) -> Result<Option<Provider>, TokenFailure> {
    if party.provider.auth_mode != AuthMode::McpOAuth2Generic {
        return Ok(None);
    }
    let config = party.connection_config;
    let metadata: Option<Map<String, Value>> =
        text(config, METADATA).and_then(|text| serde_json::from_str(text).ok());
    let unusable = |reason: String| {
        let reason = format!("the metadata of the authorization server cannot be used: {reason}");
        TokenFailure::ours("oauth_metadata", reason)
    };
    let metadata = metadata.ok_or_else(|| unusable("there is none".to_owned()))?;
    let rule = UrlRule {
        loopback: party.engine.egress.opens_loopback(),
    };
    let server = Server::of(&metadata, rule).map_err(unusable)?;
    let resource = text(config, RESOURCE).unwrap_or_default();
    Ok(Some(provider(party.provider, &server, resource)))
}

/// How tokens of a connection are revoked where its server names an address for that (RFC 8414, 2).
pub(crate) fn revocation(
    engine: &Engine,
    provider: &Provider,
    config: &Map<String, Value>,
) -> Option<Arc<Revocation>> {
    if provider.auth_mode != AuthMode::McpOAuth2Generic {
        return None;
    }
    let metadata: Map<String, Value> = serde_json::from_str(text(config, METADATA)?).ok()?;
    let rule = UrlRule {
        loopback: engine.egress.opens_loopback(),
    };
    let url = rule.check(text(&metadata, "revocation_endpoint")?).ok()?;
    Some(Arc::new(Revocation::at(url.as_str())))
}

/// The entry of the catalogue with the addresses of this server.
pub(super) fn provider(entry: &Provider, server: &Server, resource: &str) -> Provider {
    let address = |name: &str| text(&server.metadata, name).map(str::to_owned);
    let mut provider = entry.clone();
    provider.authorization_url = address("authorization_endpoint");
    provider.token_url = address("token_endpoint").map(TokenUrl::One);
    provider.scope_separator = None;
    provider.disable_pkce = false;
    let methods = texts(&server.metadata, "token_endpoint_auth_methods_supported");
    let by_header = methods.iter().any(|method| method == "client_secret_basic")
        && !methods.iter().any(|method| method == "client_secret_post");
    if by_header && !methods.iter().any(|method| method == "none") {
        provider.authorization_method = AuthorizationMethod::Header;
    }
    let named = |grant: Option<&str>| {
        let mut params = Map::new();
        if let Some(grant) = grant {
            params.insert("grant_type".to_owned(), grant.into());
        }
        if !resource.is_empty() {
            params.insert("resource".to_owned(), resource.into());
        }
        params
    };
    provider.authorization_params = named(None);
    provider.token_params = named(Some("authorization_code"));
    provider.refresh_params = Some(named(Some("refresh_token")));
    provider
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Server, UrlRule};

    fn metadata(change: &Value) -> serde_json::Map<String, Value> {
        let mut metadata = json!({
            "issuer": "https://auth.example",
            "authorization_endpoint": "https://auth.example/authorize",
            "token_endpoint": "https://auth.example/token",
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        for (name, value) in change.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        metadata.as_object().unwrap().clone()
    }

    /// FAULTS 38 and 42.
    #[test]
    fn metadata_that_weakens_a_flow_is_refused() {
        let rule = UrlRule { loopback: false };
        let cases = [
            (json!({}), None),
            (
                json!({ "code_challenge_methods_supported": ["plain"] }),
                Some("PKCE"),
            ),
            (
                json!({ "code_challenge_methods_supported": null }),
                Some("PKCE"),
            ),
            (
                json!({ "token_endpoint": null }),
                Some("names no `token_endpoint`"),
            ),
            (
                json!({ "token_endpoint": "http://auth.example/token" }),
                Some("is not HTTPS"),
            ),
            (
                json!({ "token_endpoint": "http://127.0.0.1/token" }),
                Some("is not HTTPS"),
            ),
            (
                json!({ "token_endpoint": "https://u:p@auth.example/token" }),
                Some("user name"),
            ),
            (
                json!({ "token_endpoint": "https://auth.example/t?x=${clientSecret}" }),
                Some("placeholder"),
            ),
            (
                json!({ "authorization_endpoint": "javascript:alert(1)" }),
                Some("is not HTTPS"),
            ),
            (
                json!({ "registration_endpoint": "ftp://auth.example" }),
                Some("is not HTTPS"),
            ),
        ];
        for (change, fault) in cases {
            let read = Server::of(&metadata(&change), rule);
            match fault {
                None => assert!(read.is_ok(), "{change}"),
                Some(part) => {
                    let said = read.expect_err(&change.to_string());
                    assert!(said.contains(part), "{change}: {said}");
                }
            }
        }
    }

    #[test]
    fn servers_have_names() {
        let strict = UrlRule { loopback: false };
        assert!(strict.check_server("https://mcp.example/mcp").is_ok());
        for address in [
            "http://mcp.example",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://127.0.0.1:8080/mcp",
            "mcp.example",
        ] {
            assert!(strict.check_server(address).is_err(), "{address}");
        }
        let developing = UrlRule { loopback: true };
        assert!(developing.check_server("http://127.0.0.1:8080/mcp").is_ok());
        assert!(developing.check_server("http://mcp.example").is_err());
    }
}
