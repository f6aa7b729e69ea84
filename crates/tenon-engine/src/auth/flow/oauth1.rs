//! OAuth 1.0a: request token, authorization, access token (auth-and-proxy.md, 6.7).

use http::Method;
use serde_json::{Map, Value};
use tenon_core::{Secret, auth::CredentialsJson};
use tenon_providers::{Provider, template};
use tenon_store::integrations::IntegrationRow;
use url::{Url, form_urlencoded};

use super::{
    FlowError, FlowErrorKind,
    start::{Way, party},
};
use crate::{
    Engine,
    auth::{
        entrance::Entrance,
        issue::{Issued, Party, Vars},
        oauth2::authorize,
        request::{self, TokenFailure, TokenRequest},
        sign::oauth1::{self, SignatureMethod},
    },
};

/// Asks for a request token and builds the URL to go to.
pub(super) async fn begin(
    engine: &Engine,
    entrance: &Entrance,
    state: &str,
    callback_url: &str,
) -> Result<Way, FlowError> {
    let provider = &entrance.provider;
    let party = party(engine, entrance);
    let vars = Vars::new(&party);
    let callback = format!("{callback_url}?state={state}");
    let params = vars.fill(&provider.request_params);
    let asked = Asked {
        template: provider.request_url.as_deref().unwrap_or_default(),
        extra: &[("oauth_callback", callback.as_str())],
        params: &params,
        token: None,
    };
    let answer = ask(&party, &vars, &asked).await?;
    let (token, secret) = pair(&answer).ok_or_else(|| {
        FlowError::new(
            FlowErrorKind::Unknown,
            "the provider's answer holds no request token",
        )
    })?;
    let template = provider.authorization_url.as_deref().unwrap_or_default();
    let mut url = vars.with(|context| template::render_url(template, context))?;
    let scopes = authorize::scopes(entrance.integration.scopes.as_deref());
    let mut query = url.query_pairs_mut();
    query.append_pair("oauth_token", &token);
    query.append_pair("scope", &scopes.join(provider.scope_separator()));
    let mut more = vars.fill(&provider.authorization_params);
    more.extend(entrance.authorization_params.clone());
    for (name, value) in &more {
        if let Some(text) = value.as_str().filter(|text| *text != "undefined") {
            query.append_pair(name, text);
        }
    }
    query.append_pair("oauth_callback", &callback);
    drop(query);
    Ok(Way {
        url: url.into(),
        code_verifier: None,
        request_token_secret: Some(Secret::new(secret)),
    })
}

/// Turns a verified request token into an access token.
pub(super) async fn exchange(
    party: Party<'_>,
    token: &str,
    secret: &str,
    verifier: &str,
) -> Result<Issued, TokenFailure> {
    let vars = Vars::new(&party);
    let asked = Asked {
        template: party.provider.token_url().unwrap_or_default(),
        extra: &[("oauth_verifier", verifier)],
        params: &Map::new(),
        token: Some((token, secret)),
    };
    let raw = ask(&party, &vars, &asked).await?;
    let Some((token, secret)) = pair(&raw) else {
        let reason = "the provider's answer holds no access token";
        return Err(TokenFailure::answered(
            "missing_access_token",
            reason,
            http::StatusCode::OK,
        ));
    };
    let mut credentials = CredentialsJson::new();
    credentials.insert("type".to_owned(), "OAUTH1".into());
    credentials.insert("oauth_token".to_owned(), token.into());
    credentials.insert("oauth_token_secret".to_owned(), secret.into());
    credentials.insert("raw".to_owned(), Value::Object(raw));
    Ok(Issued {
        credentials,
        expires_at: None,
        connection_config: Map::new(),
    })
}

struct Asked<'a> {
    template: &'a str,
    extra: &'a [(&'a str, &'a str)],
    params: &'a Map<String, Value>,
    token: Option<(&'a str, &'a str)>,
}

async fn ask(
    party: &Party<'_>,
    vars: &Vars,
    asked: &Asked<'_>,
) -> Result<Map<String, Value>, TokenFailure> {
    let url = vars
        .with(|context| template::render_url(asked.template, context))
        .map_err(|error| {
            TokenFailure::ours("token_url", format!("the provider's address has {error}"))
        })?;
    let request = signed(party, url, asked)?;
    let answer = request::send(party.engine, request).await?;
    let pairs = form_urlencoded::parse(&answer.body);
    Ok(pairs
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect())
}

fn signed(party: &Party<'_>, url: Url, asked: &Asked<'_>) -> Result<TokenRequest, TokenFailure> {
    let provider = party.provider;
    let method = match provider.request_http_method.as_deref() {
        Some("GET") => Method::GET,
        _ => Method::POST,
    };
    let mut request = TokenRequest::post(url);
    let form: Vec<(String, String)> = asked
        .params
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    if method == Method::GET {
        request.url.query_pairs_mut().extend_pairs(&form);
    } else {
        request = request.form(asked.params);
    }
    let signed_form = if method == Method::GET {
        &[][..]
    } else {
        &form
    };
    let (consumer_key, consumer_secret) = consumer(party.integration)?;
    let header = oauth1::authorization(&oauth1::Request {
        method: method.as_str(),
        url: &request.url,
        form: signed_form,
        extra: asked.extra,
        consumer_key,
        consumer_secret,
        token: asked.token,
        signature_method: signature_method(provider)?,
        realm: None,
        nonce: &party.engine.ids.hex(16),
        now: party.engine.clock.now(),
    });
    request.method = method;
    Ok(request
        .header("authorization", header)
        .default_header("accept", "*/*")
        .default_header("user-agent", "Tenon"))
}

fn consumer(integration: &IntegrationRow) -> Result<(&str, &str), TokenFailure> {
    let id = integration.client_id.as_deref();
    let secret = integration.secrets.client_secret.as_ref();
    id.zip(secret)
        .map(|(id, secret)| (id, secret.expose().as_str()))
        .ok_or_else(|| {
            TokenFailure::ours(
                "missing_client_id",
                "the integration has no client id or no client secret",
            )
        })
}

fn signature_method(provider: &Provider) -> Result<SignatureMethod, TokenFailure> {
    let name = provider.signature_method.as_deref().unwrap_or("HMAC-SHA1");
    SignatureMethod::parse(name).ok_or_else(|| {
        TokenFailure::ours(
            "signature_method",
            format!("the signature method `{name}` is not supported"),
        )
    })
}

fn pair(answer: &Map<String, Value>) -> Option<(String, String)> {
    let text = |name: &str| answer.get(name)?.as_str().map(str::to_owned);
    Some((text("oauth_token")?, text("oauth_token_secret")?))
}
