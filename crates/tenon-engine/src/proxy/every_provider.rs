//! Every entry of the catalogue, with plausible values: each request that it leads to can be built, is whole, and goes
//! over TLS.

use aws_lc_rs::{rand::SystemRandom, signature::Ed25519KeyPair};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};
use tenon_core::{Timestamp, auth::AuthMode};
use tenon_providers::{
    Catalogue, Field, Provider,
    template::{self, Context, Scope, alternatives, placeholders},
};
use url::Url;
use uuid::Uuid;

use super::{
    ask::{Ask, AskBody},
    auth::Auth,
    build::{self, Moment},
};
use crate::{
    auth::{
        dpop::Nonces,
        oauth2::{
            Client,
            authorize::{self, Authorize},
            token::{self, CodeExchange},
        },
        request::TokenRequest,
    },
    egress::EgressRequest,
};

const MOMENT: Moment = Moment {
    now: Timestamp::from_secs(1_767_225_600),
    random: Uuid::nil(),
};

/// What a connection of this provider may have.
struct Sample {
    config: Map<String, Value>,
    credentials: Map<String, Value>,
    settings: Map<String, Value>,
}

impl Sample {
    fn of(provider: &Provider) -> Self {
        let mut config = values(provider, &provider.connection_config);
        let said = [
            &provider.token_response_metadata,
            &provider.refresh_token_response_metadata,
            &provider.redirect_uri_metadata,
            &provider.connection_configuration,
            &provider.webhook_response_metadata,
        ];
        let learned = provider
            .post_connection
            .iter()
            .flat_map(|call| call.store.keys());
        let names = said.into_iter().flatten().chain(learned);
        let all = provider
            .proxy
            .iter()
            .flat_map(|proxy| proxy.connection_config.keys());
        for name in names.chain(all) {
            let value = plausible(provider, name);
            config.entry(name.clone()).or_insert(value.into());
        }
        let companions = provider
            .token_exchange
            .iter()
            .flat_map(|exchange| &exchange.companions);
        for token in companions {
            config.insert(token.into.clone(), json!({ "access_token": "companion" }));
        }
        let mut credentials = values(provider, &provider.credentials);
        credentials.extend(own(provider));
        for name in &provider.token_response_headers {
            credentials.insert(name.clone(), "captured".into());
            credentials.insert("_cookies".to_owned(), "a=b".into());
        }
        let mut settings = values(provider, &provider.integration_config);
        // A whole address in a field of its own.
        for (name, value) in &mut settings {
            if name.to_lowercase().ends_with("url") {
                *value = "https://sample.example".into();
            }
        }
        // What an answer holds besides is only known where a template asks for it.
        let texts = Value::Object(provider.raw.clone()).to_string();
        let mut raw = Map::new();
        for path in placeholders(&texts) {
            if let Some(name) = path.strip_prefix("credentials.raw.") {
                raw.insert(name.to_owned(), "sample".into());
            }
        }
        credentials.insert("raw".to_owned(), Value::Object(raw));
        Self {
            config,
            credentials,
            settings,
        }
    }

    const fn auth(&self, mode: AuthMode) -> Auth<'_> {
        Auth {
            mode,
            credentials: &self.credentials,
            connection_config: &self.config,
            integration_config: &self.settings,
            client_id: Some("client"),
            client_secret: Some("secret"),
            dpop_key: None,
        }
    }
}

fn values<'f>(
    provider: &Provider,
    fields: impl IntoIterator<Item = (&'f String, &'f Field)>,
) -> Map<String, Value> {
    let value = |(name, field): (&String, &Field)| {
        let choice = field
            .choices
            .as_ref()
            .and_then(|choices| choices.first().cloned());
        let default = field
            .default_value
            .clone()
            .filter(|value| !value.is_empty());
        let value = choice
            .or(default)
            .unwrap_or_else(|| plausible(provider, name));
        (name.clone(), value.into())
    };
    fields.into_iter().map(value).collect()
}

/// A whole address where the base begins with it, a key where something is signed with it, a number for a port.
fn plausible(provider: &Provider, name: &str) -> String {
    let texts = Value::Object(provider.raw.clone()).to_string();
    let begins = |text: &str| {
        alternatives(text).any(|side| side.starts_with(&format!("${{connectionConfig.{name}}}")))
    };
    let addresses = [
        provider.base_url(),
        provider.authorization_url.as_deref(),
        provider.token_url(),
    ];
    if addresses.into_iter().flatten().any(begins) {
        return "https://sample.example".to_owned();
    }
    if name.to_lowercase().contains("key") && texts.contains("ed25519Sign(") {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("keys can be made");
        return format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
            STANDARD.encode(key.as_ref())
        );
    }
    if name == "port" { "8080" } else { "sample" }.to_owned()
}

/// What a mode itself has.
fn own(provider: &Provider) -> Map<String, Value> {
    let credentials = match provider.auth_mode {
        AuthMode::OAuth2
        | AuthMode::McpOAuth2
        | AuthMode::McpOAuth2Generic
        | AuthMode::App
        | AuthMode::Custom => {
            json!({ "access_token": "token", "refresh_token": "again", "raw": {} })
        }
        AuthMode::OAuth2ClientCredentials => {
            json!({ "token": "token", "client_id": "client", "client_secret": "secret" })
        }
        AuthMode::OAuth1 => json!({ "oauth_token": "token", "oauth_token_secret": "secret" }),
        AuthMode::ApiKey => json!({ "apiKey": "key" }),
        AuthMode::Basic | AuthMode::InstallPlugin => {
            json!({ "username": "user", "password": "word" })
        }
        AuthMode::TwoStep | AuthMode::Jwt | AuthMode::AppStore | AuthMode::Tableau => {
            json!({ "token": "token" })
        }
        AuthMode::Signature => json!({ "username": "user", "password": "word", "token": "token" }),
        AuthMode::Tba => json!({ "token_id": "id", "token_secret": "secret" }),
        AuthMode::Bill => json!({ "session_id": "session", "dev_key": "key" }),
        AuthMode::AwsSigV4 => {
            json!({ "access_key_id": "id", "secret_access_key": "secret", "session_token": "session",
                "region": "eu-west-1", "service": "s3" })
        }
        AuthMode::None => json!({}),
    };
    match credentials {
        Value::Object(object) => object,
        _ => unreachable!("an object stands in every arm"),
    }
}

/// Everything that is wrong with an entry.
struct Findings<'p> {
    provider: &'p Provider,
    wrong: Vec<String>,
}

impl Findings<'_> {
    fn say(&mut self, what: &str, problem: impl std::fmt::Display) {
        self.wrong
            .push(format!("{}: {what}: {problem}", self.provider.name));
    }

    fn url(&mut self, what: &str, url: &Url) {
        let text = url.as_str();
        if text.contains("${") || text.contains("%24%7B") {
            self.say(what, format!("`{text}` is not filled"));
        }
        if url.scheme() != "https" {
            self.say(what, format!("`{text}` is not HTTPS"));
        }
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let host = url.host_str().unwrap_or_default();
        if !host.split('.').all(is_label) {
            self.say(what, format!("`{host}` is no host name"));
        }
    }

    fn text(&mut self, what: &str, text: &str) {
        if text.contains("${") || text.contains("%24%7B") {
            self.say(what, format!("`{text}` is not filled"));
        }
    }

    fn templates<'t>(
        &mut self,
        what: &str,
        templates: impl IntoIterator<Item = &'t String>,
        context: &Context<'_>,
    ) {
        for text in templates {
            let open = template::unresolved(text, context);
            // Some fields are the person's to leave empty; what signs the request needs one.
            let is_signature = placeholders(text)
                .iter()
                .any(|path| SIGNED.contains(&path.as_str()))
                || text.contains("awsSigV4(");
            if !open.is_empty() && !is_signature {
                self.say(what, format!("nothing gives {open:?} a value"));
            }
        }
    }

    fn token_request(&mut self, what: &str, request: Result<TokenRequest, impl std::fmt::Display>) {
        match request {
            Ok(request) => {
                self.url(what, &request.url);
                self.text(what, request.body.as_deref().unwrap_or_default());
                for (name, value) in &request.headers {
                    self.text(&format!("{what} {name}"), value);
                }
            }
            Err(error) => self.say(what, error),
        }
    }

    fn request(&mut self, what: &str, request: Result<EgressRequest, impl std::fmt::Display>) {
        match request {
            Ok(request) => {
                self.url(what, &request.url);
                for (name, value) in &request.headers {
                    self.text(
                        &format!("{what} {name}"),
                        &String::from_utf8_lossy(value.as_bytes()),
                    );
                }
            }
            Err(error) => self.say(what, error),
        }
    }
}

/// What only a request itself can say.
const SIGNED: [&str; 8] = [
    "method",
    "host",
    "path",
    "endpoint",
    "params",
    "urlCanonicalParams",
    "bodyCanonicalParams",
    "contentType",
];

fn ask(method: &str, endpoint: &str, base: Option<&String>, data: Option<&Value>) -> Ask {
    let body = match data {
        Some(data) => AskBody::Json(Bytes::from(data.to_string())),
        None => AskBody::Bytes(Bytes::new()),
    };
    Ask {
        method: Method::from_bytes(method.as_bytes()).expect("methods are words"),
        endpoint: endpoint.to_owned(),
        params: None,
        headers: HeaderMap::new(),
        body,
        base_url_override: base.cloned(),
        decompress: None,
        keep_headers: None,
        hosts: None,
        templates: Vec::new(),
    }
}

fn calls(findings: &mut Findings<'_>, provider: &Provider, sample: &Sample) {
    let auth = sample.auth(provider.auth_mode);
    let scope = auth.scope();
    let context = Context::new(&scope, MOMENT.now, MOMENT.random);
    if let Some(proxy) = &provider.proxy {
        let mut get = ask("GET", "/items?x=1", None, None);
        findings.request(
            "proxy",
            build::request(provider, &auth, &mut get, MOMENT, &Nonces::default()),
        );
        findings.templates("proxy.headers", proxy.headers.values(), &context);
        findings.templates("proxy.query", proxy.query.values(), &context);
        if let Some(verification) = &proxy.verification {
            findings.templates(
                "verification.headers",
                verification.headers.values(),
                &context,
            );
            for endpoint in &verification.endpoints {
                let base = verification.base_url_override.as_ref();
                let mut ask = ask(
                    &verification.method,
                    endpoint,
                    base,
                    verification.data.as_ref(),
                );
                findings.request(
                    "verification",
                    build::request(provider, &auth, &mut ask, MOMENT, &Nonces::default()),
                );
            }
        }
    }
    for call in &provider.post_connection {
        findings.templates("post_connection", call.headers.values(), &context);
        let Some(endpoint) = &call.endpoint else {
            continue;
        };
        let method = call.method.as_deref().unwrap_or("GET");
        let mut ask = ask(method, endpoint, call.base_url.as_ref(), call.data.as_ref());
        findings.request(
            "post_connection",
            build::request(provider, &auth, &mut ask, MOMENT, &Nonces::default()),
        );
    }
}

fn tokens(findings: &mut Findings<'_>, provider: &Provider, sample: &Sample) {
    let scope = Scope::new()
        .with_object("connectionConfig", &sample.config)
        .with_object("credentials", &sample.credentials);
    let context = Context::new(&scope, MOMENT.now, MOMENT.random);
    let client = Client {
        id: "client".to_owned(),
        secret: Some("secret".to_owned().into()),
    };
    if !matches!(provider.auth_mode, AuthMode::OAuth2 | AuthMode::McpOAuth2) {
        if let Some(template) = provider.token_url() {
            match template::render_url(template, &context) {
                Ok(url) => findings.url("token_url", &url),
                Err(error) if provider.auth_mode != AuthMode::Custom => {
                    findings.say("token_url", error)
                }
                Err(_) => {}
            }
        }
        return;
    }
    if provider.installation.is_none() {
        let authorize = Authorize {
            provider,
            client_id: "client",
            redirect_uri: "https://tenon.example/oauth/callback",
            scopes: &["read".to_owned()],
            state: "state",
            code_challenge: Some("challenge"),
            params: &Map::new(),
            user_scope: None,
        };
        match authorize::url(&authorize, &context) {
            Ok(url) => match Url::parse(&url) {
                Ok(url) => findings.url("authorization_url", &url),
                Err(error) => findings.say("authorization_url", format!("{error}: {url}")),
            },
            Err(error) => findings.say("authorization_url", error),
        }
    }
    let exchange = CodeExchange {
        code: "code",
        redirect_uri: "https://tenon.example/oauth/callback",
        code_verifier: Some("verifier"),
    };
    let asked = token::code_exchange(provider, &client, &exchange, &context);
    findings.token_request("token_url", asked);
    findings.token_request(
        "refresh",
        token::refresh(provider, &client, "again", &context),
    );
}

fn steps(findings: &mut Findings<'_>, provider: &Provider, sample: &Sample) {
    let Some(exchange) = &provider.token_exchange else {
        return;
    };
    let known: Map<String, Value> = [
        "code",
        "redirectUri",
        "redirectHost",
        "codeVerifier",
        "state",
        "clientId",
        "clientSecret",
        "refreshToken",
        "accessToken",
        "clientAssertion",
        "body",
    ]
    .iter()
    .map(|name| ((*name).to_owned(), Value::from("sample")))
    .collect();
    let step1 = json!({ "access_token": "short" })
        .as_object()
        .cloned()
        .unwrap_or_default();
    let scope = Scope::new()
        .with_members(&known)
        .with_object("step1", &step1)
        .with_object("credentials", &sample.credentials)
        .with_object("connectionConfig", &sample.config);
    let context = Context::new(&scope, MOMENT.now, MOMENT.random);
    let companions = exchange.companions.iter().map(|token| &token.request);
    let looks = provider
        .introspection
        .iter()
        .map(|introspection| &introspection.request);
    for step in exchange
        .code
        .iter()
        .chain(&exchange.refresh)
        .chain(companions)
        .chain(looks)
    {
        if let Some(url) = &step.url {
            match template::render_url(url, &context) {
                Ok(url) => findings.url("token_exchange", &url),
                Err(error) => findings.say("token_exchange", error),
            }
        }
        let texts = [&step.params, &step.query, &step.client_assertion]
            .map(|map| leaves(&Value::Object(map.clone())));
        findings.templates("token_exchange", texts.iter().flatten(), &context);
        findings.templates("token_exchange", step.headers.values(), &context);
    }
}

fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(leaves).collect(),
        Value::Object(members) => members.values().flat_map(leaves).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[test]
fn every_request_of_every_entry_can_be_built() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for provider in Catalogue::embedded().iter() {
        let sample = Sample::of(&provider);
        let mut findings = Findings {
            provider: &provider,
            wrong: Vec::new(),
        };
        calls(&mut findings, &provider, &sample);
        tokens(&mut findings, &provider, &sample);
        steps(&mut findings, &provider, &sample);
        wrong.extend(findings.wrong);
        count += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(count, 981);
}
