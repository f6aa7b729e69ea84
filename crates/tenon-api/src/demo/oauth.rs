//! Authorization code with PKCE, and refresh (RFC 6749, 7636).

use axum::{
    Form, Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{
    Helpdesk, desk,
    tokens::{ACCESS, Kind, challenge},
};

pub(super) fn routes() -> Router<Helpdesk> {
    Router::new()
        .route("/oauth/authorize", get(ask).post(decide))
        .route("/oauth/token", post(token))
}

#[derive(Clone, Debug, Deserialize)]
struct Request {
    #[serde(default)]
    response_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    code_challenge: Option<String>,
    #[serde(default)]
    code_challenge_method: Option<String>,
}

impl Request {
    /// What is wrong, in a sentence for the person in front of the page.
    fn complaint(&self, helpdesk: &Helpdesk) -> Option<String> {
        let inner = &helpdesk.0;
        if self.client_id != inner.plan.client_id {
            return Some(format!(
                "The client `{}` is not known here.",
                self.client_id
            ));
        }
        if self.redirect_uri != inner.callback_url {
            return Some(format!(
                "The application wants to be called at `{}`, but `{}` is registered.",
                self.redirect_uri, inner.callback_url
            ));
        }
        if self.response_type != "code" {
            return Some("Only `response_type=code` is offered here.".to_owned());
        }
        if self.code_challenge.is_some() && self.code_challenge_method.as_deref() != Some("S256") {
            return Some("Only `code_challenge_method=S256` is offered here.".to_owned());
        }
        None
    }

    /// The callback with these parameters.
    fn back(&self, parameters: &[(&str, &str)]) -> Response {
        let Ok(mut url) = Url::parse(&self.redirect_uri) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        url.query_pairs_mut()
            .extend_pairs(parameters)
            .append_pair("state", &self.state);
        Redirect::to(url.as_str()).into_response()
    }
}

async fn ask(State(helpdesk): State<Helpdesk>, Query(request): Query<Request>) -> Response {
    if let Some(complaint) = request.complaint(&helpdesk) {
        return (StatusCode::BAD_REQUEST, desk::refusal(&complaint)).into_response();
    }
    let accounts = helpdesk.0.plan.accounts.iter();
    let page = desk::page(
        "Allow access",
        &maud::html! {
            h1 { "Allow “Tenon” to work with your tickets?" }
            p { "It asks for: " strong { (if request.scope.is_empty() { "tickets" } else { &request.scope }) } ". You can take this back at any time." }
            form method="post" action="/oauth/authorize" {
                @for (name, value) in [
                    ("response_type", Some(&request.response_type)), ("client_id", Some(&request.client_id)),
                    ("redirect_uri", Some(&request.redirect_uri)), ("state", Some(&request.state)), ("scope", Some(&request.scope)),
                    ("code_challenge", request.code_challenge.as_ref()), ("code_challenge_method", request.code_challenge_method.as_ref()),
                ] {
                    @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
                }
                fieldset {
                    legend { "Continue as" }
                    @for (index, account) in accounts.enumerate() {
                        label.choice {
                            input type="radio" name="account" value=(account.email) checked[index == 0];
                            span { strong { (account.company) } br; (account.email) }
                        }
                    }
                }
                div.row {
                    button.primary type="submit" name="decision" value="allow" { "Allow" }
                    button type="submit" name="decision" value="deny" { "Deny" }
                }
            }
        },
    );
    page.into_response()
}

#[derive(Debug, Deserialize)]
struct Decision {
    #[serde(flatten)]
    request: Request,
    #[serde(default)]
    account: String,
    #[serde(default)]
    decision: String,
}

async fn decide(
    State(helpdesk): State<Helpdesk>,
    headers: HeaderMap,
    Form(decision): Form<Decision>,
) -> Response {
    let request = &decision.request;
    if !desk::comes_from_here(&helpdesk, &headers) {
        return (
            StatusCode::FORBIDDEN,
            desk::refusal("This form was sent from another site."),
        )
            .into_response();
    }
    if let Some(complaint) = request.complaint(&helpdesk) {
        return (StatusCode::BAD_REQUEST, desk::refusal(&complaint)).into_response();
    }
    if decision.decision != "allow" {
        let description = "the person chose not to allow the access";
        return request.back(&[
            ("error", "access_denied"),
            ("error_description", description),
        ]);
    }
    let known = helpdesk
        .0
        .plan
        .accounts
        .iter()
        .any(|account| account.email == decision.account);
    if !known {
        return (
            StatusCode::BAD_REQUEST,
            desk::refusal("There is no such account."),
        )
            .into_response();
    }
    let code = helpdesk.issue(
        Kind::Code,
        &decision.account,
        request.code_challenge.clone(),
    );
    request.back(&[("code", &code)])
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenRequest {
    grant_type: String,
    client_id: String,
    client_secret: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
    refresh_token: String,
}

async fn token(
    State(helpdesk): State<Helpdesk>,
    headers: HeaderMap,
    Form(request): Form<TokenRequest>,
) -> Response {
    if !is_client(&helpdesk, &headers, &request) {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "client id and secret do not fit",
        );
    }
    let granted = match request.grant_type.as_str() {
        "authorization_code" => exchange(&helpdesk, &request),
        "refresh_token" => helpdesk
            .read(Kind::Refresh, &request.refresh_token)
            .map(|claims| claims.account)
            .ok_or("the refresh token is not valid"),
        _ => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "code or refresh only",
            );
        }
    };
    match granted {
        Ok(account) => {
            let answer = json!({
                "access_token": helpdesk.issue(Kind::Access, &account, None),
                "refresh_token": helpdesk.issue(Kind::Refresh, &account, None),
                "token_type": "bearer",
                "expires_in": ACCESS.as_secs(),
                "scope": "tickets",
                "account": account,
            });
            ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
        }
        Err(reason) => refuse(StatusCode::BAD_REQUEST, "invalid_grant", reason),
    }
}

/// The account of a code that is used for the first time, by whoever began the flow.
fn exchange(helpdesk: &Helpdesk, request: &TokenRequest) -> Result<String, &'static str> {
    let claims = helpdesk
        .read(Kind::Code, &request.code)
        .ok_or("the code is not valid")?;
    if request.redirect_uri != helpdesk.0.callback_url {
        return Err("the redirect URI is not the one of the authorization");
    }
    if claims
        .challenge
        .as_ref()
        .is_some_and(|expected| *expected != challenge(&request.code_verifier))
    {
        return Err("the code verifier does not fit the challenge");
    }
    if !helpdesk.0.state.lock().used_codes.insert(claims.id) {
        return Err("the code was used before");
    }
    Ok(claims.account)
}

/// Client id and secret may come in the body or as Basic header.
fn is_client(helpdesk: &Helpdesk, headers: &HeaderMap, request: &TokenRequest) -> bool {
    let plan = &helpdesk.0.plan;
    let expected = format!("{}:{}", plan.client_id, plan.client_secret.expose());
    let in_header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok());
    let given = in_header
        .unwrap_or_else(|| format!("{}:{}", request.client_id, request.client_secret).into_bytes());
    given == expected.as_bytes()
}

fn refuse(status: StatusCode, error: &str, description: &str) -> Response {
    (
        status,
        Json(json!({ "error": error, "error_description": description })),
    )
        .into_response()
}
