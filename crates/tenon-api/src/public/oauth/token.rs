//! Token exchange (RFC 8693). Ours; see docs/reference/token-exchange.md. Parameters, answers and errors have the form of
//! RFC 6749, so that any OAuth client can use it.

use std::collections::HashMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tenon_core::{Secret, names::EnvironmentPk};
use tenon_engine::{
    auth::exchange::{self, Exchange, ExchangeError, Exchanged},
    environments::PublicKeyAuth,
};
use url::form_urlencoded;

use crate::{
    ApiError, App,
    body::{self, RawBody},
    caller::{find_holder, scope},
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What a subject token may be (RFC 8693, 3).
const SUBJECT_TYPES: [&str; 3] = [
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:access_token",
];

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Largest request: one token and some names.
const FORM_BYTES: usize = 64 * 1024;

/// `POST /oauth/token`
pub(super) async fn exchange(
    State(app): State<App>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Response {
    let answered = match answer(&app, &headers, &body).await {
        Ok(exchanged) => Json(shown(exchanged)).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    // RFC 6749, 5.1.
    let plain = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (plain, answered).into_response()
}

async fn answer(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Exchanged, Refusal> {
    let form = Form::read(headers, body)?;
    if form.text("grant_type")? != GRANT {
        return Err(Refusal::of(
            "unsupported_grant_type",
            format!("only `{GRANT}` is offered here"),
        ));
    }
    let client = client(app, headers, &form).await?;
    if !SUBJECT_TYPES.contains(&form.text("subject_token_type")?) {
        return Err(Refusal::invalid("this `subject_token_type` is not taken"));
    }
    let wanted = form.find("requested_token_type");
    if wanted.is_some_and(|wanted| wanted != ACCESS_TOKEN) {
        return Err(Refusal::invalid("only access tokens are given out"));
    }
    if form.find("actor_token").is_some() {
        return Err(Refusal::invalid("acting for somebody else is not offered"));
    }
    let target = match (form.find("audience"), form.find("resource")) {
        (Some(audience), None) => audience,
        (None, Some(resource)) => resource,
        _ => {
            let words = "`audience` or `resource` must be the id of the integration";
            return Err(Refusal::invalid(words));
        }
    };
    let asked = Exchange {
        environment: client.environment,
        key: client.key,
        subject_token: Secret::new(form.text("subject_token")?.to_owned()),
        integration: target.to_owned(),
        connection: form.find("connection_id").map(str::to_owned),
    };
    Ok(exchange::exchange(&app.engine, &asked).await?)
}

/// Who asks.
struct Client {
    environment: EnvironmentPk,
    /// The secret key; else it is a program that only knows the public one.
    key: Option<i64>,
}

/// Basic, in the body, or as Bearer (RFC 6749, 2.3.1); a public client only names itself.
async fn client(app: &App, headers: &HeaderMap, form: &Form) -> Result<Client, Refusal> {
    let in_header = match headers.get(header::AUTHORIZATION) {
        Some(value) => Some(secret_of(value).ok_or_else(Refusal::client)?),
        None => None,
    };
    let secret = match (in_header, form.find("client_secret")) {
        (Some(_), Some(_)) => return Err(Refusal::invalid("one way to authenticate is enough")),
        (Some(secret), None) => Some(secret),
        (None, given) => given.map(str::to_owned),
    };
    if let Some(secret) = secret {
        let holder = find_holder(app, &secret).await?;
        let covers = |scope| scope::covers(&holder.scopes, scope);
        if !covers(scope::READ_CONNECTION_CREDENTIALS) {
            let words = "the key may not see credentials of connections";
            return Err(Refusal::of("unauthorized_client", words));
        }
        return Ok(Client {
            environment: holder.environment,
            key: Some(holder.key),
        });
    }
    let id = form.find("client_id").ok_or_else(Refusal::client)?;
    let reader = app.engine.reader();
    let found = reader.find_environment_by_public_key(id).await;
    let environment = found.map_err(ApiError::from)?.ok_or_else(Refusal::client)?;
    if PublicKeyAuth::parse(&environment.public_key_auth) == PublicKeyAuth::Off {
        return Err(Refusal::client());
    }
    Ok(Client {
        environment: environment.pk,
        key: None,
    })
}

/// The secret key in an `Authorization` header; what stands before it in `Basic` does not matter.
fn secret_of(value: &HeaderValue) -> Option<String> {
    let (kind, given) = value.to_str().ok()?.split_once(' ')?;
    if kind.eq_ignore_ascii_case("bearer") {
        return Some(given.trim().to_owned());
    }
    if !kind.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(given.trim()).ok()?).ok()?;
    pair.split_once(':').map(|(_, secret)| secret.to_owned())
}

/// The parameters; none may come twice (RFC 6749, 3.2).
struct Form(HashMap<String, String>);

impl Form {
    fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Refusal> {
        const FORM: &str = "application/x-www-form-urlencoded";
        let is_form = body::content_type(headers).is_some_and(|kind| body::starts_with(kind, FORM));
        if !is_form || bytes.len() > FORM_BYTES {
            return Err(Refusal::invalid("the parameters must be a small form"));
        }
        let mut params = HashMap::new();
        for (name, value) in form_urlencoded::parse(bytes).into_owned() {
            if params.insert(name, value).is_some() {
                return Err(Refusal::invalid("a parameter comes twice"));
            }
        }
        Ok(Self(params))
    }

    fn find(&self, name: &str) -> Option<&str> {
        let text = self.0.get(name).map(String::as_str);
        text.filter(|text| !text.is_empty())
    }

    fn text(&self, name: &str) -> Result<&str, Refusal> {
        self.find(name)
            .ok_or_else(|| Refusal::invalid(format!("`{name}` is missing")))
    }
}

fn shown(exchanged: Exchanged) -> Value {
    let mut body = json!({
        "access_token": exchanged.access_token.expose().as_str(),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "connection_id": exchanged.connection_id,
    });
    if let Some(seconds) = exchanged.expires_in_s {
        body["expires_in"] = seconds.into();
    }
    if let Some(scope) = exchanged.scope {
        body["scope"] = scope.into();
    }
    body
}

/// A refusal as RFC 6749, 5.2 writes it, or a failure of ours.
enum Refusal {
    Said {
        status: StatusCode,
        error: &'static str,
        description: String,
    },
    Ours(ApiError),
}

impl Refusal {
    fn of(error: &'static str, description: impl Into<String>) -> Self {
        Self::Said {
            status: StatusCode::BAD_REQUEST,
            error,
            description: description.into(),
        }
    }

    fn invalid(description: impl Into<String>) -> Self {
        Self::of("invalid_request", description)
    }

    fn client() -> Self {
        Self::Said {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_client",
            description: "a secret key, or the public key as `client_id`, is needed".to_owned(),
        }
    }
}

impl From<ApiError> for Refusal {
    /// Whatever is wrong with a key, the client has not authenticated.
    fn from(error: ApiError) -> Self {
        if error.status == StatusCode::UNAUTHORIZED {
            return Self::client();
        }
        Self::Ours(error)
    }
}

impl From<ExchangeError> for Refusal {
    fn from(error: ExchangeError) -> Self {
        let said = error.to_string();
        match error {
            ExchangeError::Subject(_) => Self::of("invalid_grant", said),
            ExchangeError::NeedsClient => Self::Said {
                status: StatusCode::UNAUTHORIZED,
                error: "invalid_client",
                description: said,
            },
            ExchangeError::UnknownTarget(_)
            | ExchangeError::NotConnected(_)
            | ExchangeError::NoToken(_)
            | ExchangeError::Reconnect(_) => Self::of("invalid_target", said),
            ExchangeError::Unavailable(_) => Self::Said {
                status: StatusCode::SERVICE_UNAVAILABLE,
                error: "temporarily_unavailable",
                description: said,
            },
            ExchangeError::Store(error) => Self::Ours(error.into()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::Ours(error) => return error.into_response(),
            Self::Said {
                status,
                error,
                description,
            } => (status, error, description),
        };
        let body = Json(json!({ "error": error, "error_description": description }));
        let mut response = (status, body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"tenon\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
