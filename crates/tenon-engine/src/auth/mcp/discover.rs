//! Asking a server where its tokens come from.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value};
use url::Url;

use super::server::{Server, UrlRule, texts};
use crate::{
    Engine,
    auth::issue::text,
    egress::{EgressOptions, EgressRequest},
};

/// Largest document that is read: real ones have a few KB.
const DOCUMENT_BYTES: u64 = 256 * 1024;

/// How long one document may take; a person waits in front of a popup.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// What a server wants.
#[derive(Debug)]
pub(super) struct Discovered {
    pub server: Server,
    /// What tokens are asked for (RFC 8707).
    pub resource: String,
    /// What the server wants to be asked for; nothing if it does not say.
    pub scopes: Vec<String>,
}

/// Asks an MCP server, and the authorization server that it names.
pub(super) async fn discover(
    engine: &Engine,
    server: &Url,
    rule: UrlRule,
) -> Result<Discovered, String> {
    let protected = protected_resource(engine, server).await?;
    let (resource, issuer, mut scopes) = match &protected {
        Some(metadata) => {
            let named = texts(metadata, "authorization_servers");
            let issuer = named.first().map(|issuer| {
                rule.check(issuer)
                    .map_err(|reason| format!("the authorization server `{issuer}` {reason}"))
            });
            let resource = text(metadata, "resource").unwrap_or(server.as_str());
            (
                resource.to_owned(),
                issuer.transpose()?,
                texts(metadata, "scopes_supported"),
            )
        }
        None => (server.as_str().to_owned(), None, Vec::new()),
    };
    // A server without a word about it is its own authorization server, at the root.
    let issuer = issuer.unwrap_or_else(|| at(server, "/"));
    let metadata = authorization_server(engine, &issuer).await?;
    let found = Server::of(&metadata, rule)
        .map_err(|reason| format!("the metadata of `{issuer}` cannot be used: {reason}"))?;
    if scopes.is_empty() {
        scopes.clone_from(&found.scopes);
    }
    Ok(Discovered {
        server: found,
        resource,
        scopes,
    })
}

/// RFC 9728: the document about the resource, at its path or at the root.
async fn protected_resource(
    engine: &Engine,
    server: &Url,
) -> Result<Option<Map<String, Value>>, String> {
    for place in places(server, &["oauth-protected-resource"]) {
        let Some(metadata) = document(engine, &place).await? else {
            continue;
        };
        let named = text(&metadata, "resource").unwrap_or_default();
        if !is_resource_of(named, server) {
            return Err(format!(
                "`{place}` is about `{}`, which is another resource",
                shortened(named)
            ));
        }
        return Ok(Some(metadata));
    }
    Ok(None)
}

/// RFC 8414, or the document of OpenID Connect.
async fn authorization_server(engine: &Engine, issuer: &Url) -> Result<Map<String, Value>, String> {
    let mut candidates = places(
        issuer,
        &["oauth-authorization-server", "openid-configuration"],
    );
    let path = issuer.path().trim_end_matches('/');
    if !path.is_empty() {
        let inside = format!("{path}/.well-known/openid-configuration");
        candidates.insert(2, at(issuer, &inside));
    }
    for place in candidates {
        let Some(metadata) = document(engine, &place).await? else {
            continue;
        };
        let named = text(&metadata, "issuer").unwrap_or_default();
        // Only the issuer itself may say where its codes and tokens go.
        if named.trim_end_matches('/') != issuer.as_str().trim_end_matches('/') {
            return Err(format!(
                "`{place}` is about the issuer `{}` instead of `{issuer}`",
                shortened(named)
            ));
        }
        return Ok(metadata);
    }
    Err(format!("`{issuer}` publishes no metadata"))
}

/// Well-known places for a URL: with its path behind the name, then without.
fn places(url: &Url, names: &[&str]) -> Vec<Url> {
    let path = url.path().trim_end_matches('/');
    let mut places = Vec::new();
    for path in [path, ""] {
        for name in names {
            let place = at(url, &format!("/.well-known/{name}{path}"));
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

/// Another path on the same server.
fn at(url: &Url, path: &str) -> Url {
    let mut place = url.clone();
    place.set_path(path);
    place.set_query(None);
    place.set_fragment(None);
    place
}

/// Whether a resource is the server itself, or a place above it on the same origin.
fn is_resource_of(resource: &str, server: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let above = resource.path().trim_end_matches('/');
    let rest = server.path().strip_prefix(above);
    resource.origin() == server.origin()
        && resource.fragment().is_none()
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A JSON object at an address; nothing if there is none. Redirects are not followed: who may say where tokens come from
/// is decided by the address.
async fn document(engine: &Engine, url: &Url) -> Result<Option<Map<String, Value>>, String> {
    let options = EgressOptions {
        max_redirects: 0,
        timeout: Some(DOCUMENT_TIMEOUT),
        max_response_bytes: Some(DOCUMENT_BYTES),
        ..EgressOptions::default()
    };
    let failed = |error: String| format!("`{url}` could not be read: {error}");
    let request = EgressRequest::new(Method::GET, url.clone())
        .options(options)
        .header("accept", "application/json")
        .and_then(|request| request.header("user-agent", "Tenon"))
        .and_then(|request| request.header("mcp-protocol-version", "2025-06-18"))
        .map_err(|error| failed(error.to_string()))?;
    let response = engine.egress.send(request).await;
    let response = response.map_err(|error| failed(error.to_string()))?;
    if response.status.is_redirection() {
        return Err(failed("it redirects".to_owned()));
    }
    if !response.status.is_success() {
        return Ok(None);
    }
    let body = response.collect(DOCUMENT_BYTES).await;
    let body = body.map_err(|error| failed(error.to_string()))?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        // Many servers answer every path with their page.
        _ => Ok(None),
    }
}

fn shortened(text: &str) -> String {
    let plain = text.chars().filter(|letter| !letter.is_control());
    plain.take(200).collect()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{is_resource_of, places};

    #[test]
    fn well_known_places_come_in_order() {
        let with_path = Url::parse("https://a.example/mcp/v1/").unwrap();
        let found = places(&with_path, &["x"]);
        let found: Vec<&str> = found.iter().map(Url::as_str).collect();
        assert_eq!(
            found,
            [
                "https://a.example/.well-known/x/mcp/v1",
                "https://a.example/.well-known/x"
            ]
        );
        let root = Url::parse("https://a.example").unwrap();
        assert_eq!(places(&root, &["x"]).len(), 1);
    }

    #[test]
    fn a_document_is_about_its_own_server() {
        let server = Url::parse("https://a.example/mcp/v1").unwrap();
        for (resource, own) in [
            ("https://a.example/mcp/v1", true),
            ("https://a.example/mcp/", true),
            ("https://a.example", true),
            ("https://a.example/mcp/v", false),
            ("https://a.example/other", false),
            ("https://b.example/mcp/v1", false),
            ("http://a.example/mcp/v1", false),
            ("https://a.example/mcp#x", false),
            ("", false),
        ] {
            assert_eq!(is_resource_of(resource, &server), own, "{resource}");
        }
    }
}
