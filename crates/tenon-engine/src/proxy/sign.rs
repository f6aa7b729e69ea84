//! Modes that sign each request: OAuth 1, token-based authentication, AWS.

use http::HeaderMap;
use serde_json::Value;
use tenon_core::{Timestamp, auth::AuthMode};
use tenon_providers::{AwsCredentials, Provider, SigV4, SignedBody};
use url::Url;

use super::{auth::Auth, headers::put, send::ProxyError};
use crate::auth::{
    dpop::{Claim, DpopKey},
    sign::oauth1::{self, SignatureMethod},
};

/// A request that is complete but for its signature.
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a Url,
    /// Nothing for one that is streamed.
    pub(super) body: Option<&'a [u8]>,
    pub(super) nonce: &'a str,
    /// What the server wants to find in the proof of a bound token.
    pub(super) server_nonce: Option<&'a str>,
    pub(super) now: Timestamp,
}

/// Adds the signature that the mode demands; none for most.
pub(super) fn sign(
    provider: &Provider,
    auth: &Auth<'_>,
    request: &Unsigned<'_>,
    headers: &mut HeaderMap,
) -> Result<(), ProxyError> {
    if let (Some(key), Some(token)) = (auth.dpop_key, auth.access_token()) {
        return prove(key, token, request, headers);
    }
    match auth.mode {
        AuthMode::OAuth1 => {
            let method = provider
                .signature_method
                .as_deref()
                .and_then(SignatureMethod::parse)
                .unwrap_or(SignatureMethod::HmacSha1);
            let token = (auth.text("oauth_token"), auth.text("oauth_token_secret"));
            oauth(auth, request, headers, method, token, None)
        }
        AuthMode::Tba => {
            let account = auth
                .connection_config
                .get("accountId")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let realm = account.replacen('-', "_", 1).to_uppercase();
            let token = (auth.text("token_id"), auth.text("token_secret"));
            let method = SignatureMethod::HmacSha256;
            oauth(auth, request, headers, method, token, Some(&realm))
        }
        AuthMode::AwsSigV4 => aws(auth, request, headers),
        AuthMode::OAuth2
        | AuthMode::OAuth2ClientCredentials
        | AuthMode::ApiKey
        | AuthMode::Basic
        | AuthMode::TwoStep
        | AuthMode::Jwt
        | AuthMode::Signature
        | AuthMode::Bill
        | AuthMode::App
        | AuthMode::Custom
        | AuthMode::AppStore
        | AuthMode::Tableau
        | AuthMode::McpOAuth2
        | AuthMode::McpOAuth2Generic
        | AuthMode::InstallPlugin
        | AuthMode::None => Ok(()),
    }
}

/// A bound token and the proof that it is ours (RFC 9449, 7.1). A caller who brings an authorization of his own keeps it.
fn prove(
    key: &DpopKey,
    token: &str,
    request: &Unsigned<'_>,
    headers: &mut HeaderMap,
) -> Result<(), ProxyError> {
    let ours = format!("Bearer {token}");
    let given = headers.get(http::header::AUTHORIZATION);
    if given.is_none_or(|given| given.as_bytes() != ours.as_bytes()) {
        return Ok(());
    }
    let claim = Claim {
        method: request.method,
        url: request.url,
        access_token: Some(token),
        nonce: request.server_nonce,
        id: request.nonce,
        now: request.now,
    };
    let proof = key
        .proof(&claim)
        .map_err(|_| ProxyError::UnsupportedAuth("the proof of the token could not be signed"))?;
    let values = [("authorization", format!("DPoP {token}")), ("dpop", proof)];
    for (name, value) in values {
        put(headers, name, &value).map_err(ProxyError::Header)?;
    }
    Ok(())
}

fn oauth(
    auth: &Auth<'_>,
    request: &Unsigned<'_>,
    headers: &mut HeaderMap,
    signature_method: SignatureMethod,
    token: (Option<&str>, Option<&str>),
    realm: Option<&str>,
) -> Result<(), ProxyError> {
    // A caller who brings an authorization of his own keeps it.
    if headers.contains_key(http::header::AUTHORIZATION) {
        return Ok(());
    }
    let (consumer_key, consumer_secret) = auth.client();
    let is_form = headers.get(http::header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    });
    let form: Vec<(String, String)> = if is_form {
        url::form_urlencoded::parse(request.body.unwrap_or_default())
            .into_owned()
            .collect()
    } else {
        Vec::new()
    };
    let authorization = oauth1::authorization(&oauth1::Request {
        method: request.method,
        url: request.url,
        form: &form,
        extra: &[],
        consumer_key: consumer_key.unwrap_or_default(),
        consumer_secret: consumer_secret.unwrap_or_default(),
        token: token.0.zip(token.1),
        signature_method,
        realm,
        nonce: request.nonce,
        now: request.now,
    });
    put(headers, "authorization", &authorization).map_err(ProxyError::Header)
}

fn aws(auth: &Auth<'_>, request: &Unsigned<'_>, headers: &mut HeaderMap) -> Result<(), ProxyError> {
    let named = |name: &str| {
        auth.text(name)
            .or_else(|| auth.connection_config.get(name)?.as_str())
            .or_else(|| auth.integration_config.get(name)?.as_str())
    };
    let (Some(access_key_id), Some(secret_access_key), Some(region), Some(service)) = (
        auth.text("access_key_id"),
        auth.text("secret_access_key"),
        named("region"),
        named("service"),
    ) else {
        return Err(ProxyError::UnsupportedAuth(
            "AWS_SIGV4 without keys, region or service",
        ));
    };
    let body = match request.body {
        Some(bytes) => SignedBody::Whole(bytes),
        None if service == "s3" => SignedBody::Unsigned,
        None => {
            return Err(ProxyError::Body(
                "it is too large to be signed; only S3 takes streams".to_owned(),
            ));
        }
    };
    let host = match (request.url.host_str(), request.url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let unsigned = SigV4 {
        credentials: AwsCredentials {
            access_key_id,
            secret_access_key,
            session_token: auth.text("session_token"),
        },
        region,
        service,
        method: request.method,
        host: &host,
        path: request.url.path(),
        query: request.url.query().unwrap_or_default(),
        headers: &[],
        body,
        now: request.now,
    };
    let content_sha256 = unsigned.content_sha256();
    let signed = SigV4 {
        headers: &[("x-amz-content-sha256", &content_sha256)],
        ..unsigned
    };
    let token = auth.text("session_token");
    let values = [
        ("x-amz-date", signed.date()),
        ("authorization", signed.authorization()),
        ("x-amz-content-sha256", content_sha256.clone()),
    ];
    for (name, value) in values {
        put(headers, name, &value).map_err(ProxyError::Header)?;
    }
    if let Some(token) = token {
        put(headers, "x-amz-security-token", token).map_err(ProxyError::Header)?;
    }
    Ok(())
}
