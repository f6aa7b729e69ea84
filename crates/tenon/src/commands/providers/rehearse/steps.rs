//! What a connection goes through, from the integration to the first call.

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tenon_core::auth::AuthMode;
use tenon_providers::Provider;
use url::form_urlencoded;

use super::{
    samples::{ADDRESS, Samples, is_address},
    stage::{Stage, VERIFICATION},
};
use crate::commands::server::Request;

/// Key of the integration and id of the connection.
const NAME: &str = "sample";

/// Plays everything that the auth mode has.
pub(super) async fn play(
    stage: &Stage,
    provider: &Provider,
    samples: &Samples,
) -> anyhow::Result<()> {
    integration(stage, provider, samples)
        .await
        .context("the integration could not be made")?;
    match provider.auth_mode {
        AuthMode::OAuth1 | AuthMode::OAuth2 | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic => {
            browser(stage, provider, samples).await
        }
        mode => posted(stage, mode, provider, samples).await,
    }
    .context("nobody could connect")?;
    renew(stage, provider)
        .await
        .context("the credentials could not be renewed")?;
    call(stage, provider)
        .await
        .context("the API could not be called")
}

async fn integration(stage: &Stage, provider: &Provider, samples: &Samples) -> anyhow::Result<()> {
    let mut body = json!({"unique_key": NAME, "provider": provider.name});
    let mode = provider.auth_mode;
    if matches!(mode, AuthMode::OAuth1 | AuthMode::OAuth2 | AuthMode::Tba) {
        body["credentials"] = json!({
            "type": mode,
            "client_id": samples.credential("client_id"),
            "client_secret": samples.credential("client_secret"),
            "scopes": provider.default_scopes.join(","),
        });
    }
    if !samples.integration_config.is_empty() {
        body["integration_config"] = samples.integration_config.clone().into();
    }
    let _: Value = stage.client.post("/integrations", &body).await?;
    Ok(())
}

/// The part of the query that says who connects and with which parameters.
fn query(stage: &Stage, samples: &Samples) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("public_key", &stage.public_key);
    query.append_pair("connection_id", NAME);
    for (name, value) in &samples.connection_config {
        query.append_pair(
            &format!("params[{name}]"),
            value.as_str().unwrap_or_default(),
        );
    }
    query.finish()
}

/// Through the provider's own pages and back.
async fn browser(stage: &Stage, provider: &Provider, samples: &Samples) -> anyhow::Result<()> {
    stage.purpose("before the authorization");
    let path = format!("/oauth/connect/{NAME}?{}", query(stage, samples));
    let answer = stage.client.send(Request::get(path)).await?;
    let location = answer.headers.iter().find(|(name, _)| name == "location");
    let Some((_, location)) = location else {
        bail!("{}", words(&answer.body));
    };
    stage.browser("authorization, in the browser", location);
    stage.purpose("token");
    let mut back = form_urlencoded::Serializer::new(String::new());
    let state = state(stage, location).context("the authorization URL holds no `state`")?;
    back.append_pair("state", &state);
    let code = provider.authorization_code_param_in_callback.as_deref();
    back.append_pair(code.unwrap_or("code"), "sample-code");
    if provider.auth_mode == AuthMode::OAuth1 {
        back.append_pair("oauth_token", "sample-token")
            .append_pair("oauth_verifier", "sample-verifier");
    }
    for name in &provider.redirect_uri_metadata {
        let value = if is_address(provider, name) {
            ADDRESS
        } else {
            "sample"
        };
        back.append_pair(name, value);
    }
    let path = format!("/oauth/callback?{}", back.finish());
    let answer = stage.client.send(Request::get(path)).await?;
    let connected = connection(stage, "").await;
    connected.with_context(|| words(&answer.body))
}

/// In the query, behind `#`, or in the callback that was asked for (OAuth 1).
fn state(stage: &Stage, location: &str) -> Option<String> {
    let text = location.replace(['#', '?'], "&");
    let mut texts = vec![text];
    texts.extend(
        stage
            .heard()
            .into_iter()
            .flat_map(|heard| heard.headers)
            .map(|(_, value)| percent_decoded(&value)),
    );
    texts.iter().find_map(|text| {
        let (_, rest) = text.split_once("state=")?;
        let state: String = rest
            .chars()
            .take_while(|letter| !matches!(letter, '&' | '"' | ','))
            .collect();
        Some(percent_decoded(&state))
    })
}

fn percent_decoded(text: &str) -> String {
    let pairs = form_urlencoded::parse(text.as_bytes());
    let decoded: Vec<String> = pairs
        .map(|(name, value)| {
            if value.is_empty() {
                name.into_owned()
            } else {
                format!("{name}={value}")
            }
        })
        .collect();
    decoded.join("&")
}

/// Without a browser: somebody posts credentials.
async fn posted(
    stage: &Stage,
    mode: AuthMode,
    provider: &Provider,
    samples: &Samples,
) -> anyhow::Result<()> {
    let of = |names: &[&str]| -> Map<String, Value> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), samples.credential(name)))
            .collect()
    };
    let typed = |mut body: Map<String, Value>| {
        body.insert("type".to_owned(), json!(mode));
        body
    };
    let (route, body, purpose) = match mode {
        AuthMode::ApiKey => ("/api-auth/api-key", of(&["apiKey"]), VERIFICATION),
        AuthMode::Basic => (
            "/api-auth/basic",
            of(&["username", "password"]),
            VERIFICATION,
        ),
        AuthMode::OAuth2ClientCredentials => {
            let mut body = of(&["client_id", "client_secret"]);
            body.extend(samples.declared(provider));
            ("/oauth2/auth", body, "token")
        }
        AuthMode::TwoStep => {
            let mut body = typed(samples.declared(provider));
            if !samples.assertion_option.is_empty() {
                body.insert(
                    "assertionOption".to_owned(),
                    samples.assertion_option.clone().into(),
                );
            }
            ("/auth/two-step", body, "token")
        }
        AuthMode::Jwt => ("/auth/jwt", typed(samples.declared(provider)), "token"),
        AuthMode::Signature => (
            "/auth/signature",
            typed(of(&["username", "password"])),
            "token",
        ),
        AuthMode::Tba => ("/auth/tba", of(&["token_id", "token_secret"]), VERIFICATION),
        AuthMode::Bill => (
            "/auth/bill",
            of(&["username", "password", "organization_id", "dev_key"]),
            "token",
        ),
        AuthMode::AwsSigV4 => ("/auth/aws-sigv4", of(&["role_arn"]), "token"),
        AuthMode::None => ("/auth/unauthenticated", Map::new(), VERIFICATION),
        AuthMode::OAuth1
        | AuthMode::OAuth2
        | AuthMode::McpOAuth2
        | AuthMode::McpOAuth2Generic
        | AuthMode::App
        | AuthMode::Custom
        | AuthMode::AppStore
        | AuthMode::Tableau
        | AuthMode::InstallPlugin => bail!(
            "connections of mode `{mode}` need an installation at the provider, which cannot be rehearsed"
        ),
    };
    stage.purpose(purpose);
    let path = format!("{route}/{NAME}?{}", query(stage, samples));
    let _: Value = stage.client.post(&path, &Value::Object(body)).await?;
    Ok(())
}

async fn connection(stage: &Stage, more: &str) -> anyhow::Result<()> {
    let path = format!("/connections/{NAME}?provider_config_key={NAME}{more}");
    let _: Value = stage.client.get(&path).await?;
    Ok(())
}

async fn renew(stage: &Stage, provider: &Provider) -> anyhow::Result<()> {
    if matches!(
        provider.auth_mode,
        AuthMode::OAuth1 | AuthMode::ApiKey | AuthMode::Basic | AuthMode::Tba | AuthMode::None
    ) {
        return Ok(());
    }
    stage.purpose("renewal");
    connection(stage, "&force_refresh=true").await
}

async fn call(stage: &Stage, provider: &Provider) -> anyhow::Result<()> {
    if provider.base_url().is_none_or(str::is_empty) {
        return Ok(());
    }
    stage.purpose("a call of the API");
    let request = Request {
        method: Method::GET,
        path: "/proxy/sample".to_owned(),
        ..Request::default()
    };
    let request = request
        .header("connection-id", NAME)
        .header("provider-config-key", NAME);
    let answer = stage.client.send(request).await?;
    if !answer.status.is_success() {
        bail!("{}", words(&answer.body));
    }
    Ok(())
}

/// What an answer says to people: the message of an error, or the text of a page.
fn words(body: &[u8]) -> String {
    if let Ok(answer) = serde_json::from_slice::<Value>(body) {
        let message = answer.pointer("/error/message").and_then(Value::as_str);
        return message.map_or_else(|| answer.to_string(), str::to_owned);
    }
    let page = String::from_utf8_lossy(body);
    let text = page
        .split('<')
        .filter_map(|part| part.split_once('>'))
        .map(|(_, text)| text.trim());
    let text: Vec<&str> = text
        .filter(|text| !text.is_empty() && !text.contains('{'))
        .collect();
    text.join(" ").chars().take(300).collect()
}
