//! Log-in, and the link of the first start.

use axum::{
    Form, Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;
use tenon_core::Secret;
use tenon_engine::people::{self, PASSWORD_CHARS_AT_LEAST, PeopleError};

use super::{
    Access,
    access::{self, Change},
    layout::{self, Page},
};
use crate::{ApiError, App};

const HOME: &str = "/ui/getting-started";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/ui/login", get(ask).post(log_in))
        .route("/ui/setup", get(ask_first).post(set_up))
        .route("/ui/logout", post(log_out))
}

async fn ask(State(app): State<App>) -> Response {
    if app.pages.access != Access::Login {
        return Redirect::to(HOME).into_response();
    }
    match app.engine.reader().has_people().await {
        Ok(true) => form("Log in", &login_form("", None)),
        Ok(false) => layout::refusal(
            StatusCode::OK,
            "Nobody can log in yet",
            "The server printed a setup link when it started. Open it to choose an e-mail address and a password. Start the server again for a fresh link.",
        ),
        Err(problem) => ApiError::internal(&problem).into_response(),
    }
}

#[derive(Deserialize)]
struct LogIn {
    email: String,
    password: Secret,
}

async fn log_in(State(app): State<App>, headers: HeaderMap, Form(sent): Form<LogIn>) -> Response {
    if !access::comes_from_here(&headers) {
        return foreign();
    }
    match people::log_in(&app.engine, &app.door, &sent.email, sent.password).await {
        Ok(token) => begin(&app, &token),
        Err(problem) => refuse(&problem, |complaint| {
            form("Log in", &login_form(&sent.email, Some(complaint)))
        }),
    }
}

#[derive(Deserialize)]
struct SetupQuery {
    #[serde(default)]
    token: String,
}

async fn ask_first(State(app): State<App>, Query(query): Query<SetupQuery>) -> Response {
    match people::is_setup_link(&app.engine, &query.token).await {
        Ok(true) => form("Welcome", &setup_form(&query.token, "", None)),
        Ok(false) => layout::refusal(
            StatusCode::GONE,
            "This setup link does not work any more",
            "It works once, and only the newest one does. Start the server again for a fresh link, or log in at /ui/login.",
        ),
        Err(problem) => ApiError::internal(&problem).into_response(),
    }
}

#[derive(Deserialize)]
struct SetUp {
    token: String,
    email: String,
    password: Secret,
}

async fn set_up(State(app): State<App>, headers: HeaderMap, Form(sent): Form<SetUp>) -> Response {
    if !access::comes_from_here(&headers) {
        return foreign();
    }
    match people::set_up(
        &app.engine,
        &app.door,
        &sent.token,
        &sent.email,
        sent.password,
    )
    .await
    {
        Ok(token) => begin(&app, &token),
        Err(problem) => refuse(&problem, |complaint| {
            form(
                "Welcome",
                &setup_form(&sent.token, &sent.email, Some(complaint)),
            )
        }),
    }
}

#[derive(Deserialize)]
struct Nothing {}

async fn log_out(State(app): State<App>, change: Change<Nothing>) -> Response {
    let Nothing {} = change.form;
    if let Some(session) = &change.visitor.session
        && let Err(problem) = people::log_out(&app.engine, session.expose()).await
    {
        return ApiError::internal(&problem).into_response();
    }
    with_cookie(&access::no_session_cookie(), Redirect::to("/ui/login"))
}

fn begin(app: &App, token: &Secret) -> Response {
    with_cookie(&access::session_cookie(app, token), Redirect::to(HOME))
}

fn with_cookie(cookie: &str, redirect: Redirect) -> Response {
    let mut response = redirect.into_response();
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// The form again with what is wrong, or our own fault.
fn refuse(problem: &PeopleError, again: impl FnOnce(&str) -> Response) -> Response {
    let status = match problem {
        PeopleError::Store(_) | PeopleError::Hash => {
            return ApiError::internal(problem).into_response();
        }
        PeopleError::UsedLink => StatusCode::GONE,
        PeopleError::Email(_) | PeopleError::Password => StatusCode::UNPROCESSABLE_ENTITY,
        PeopleError::Wrong => StatusCode::UNAUTHORIZED,
        PeopleError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
    };
    let mut sentence = problem.to_string();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let mut response = again(&format!("{sentence}."));
    *response.status_mut() = status;
    response
}

fn foreign() -> Response {
    layout::refusal(
        StatusCode::FORBIDDEN,
        "This form was not sent from here",
        "Load the page again and send it once more. Nothing was changed.",
    )
}

fn form(title: &str, content: &Markup) -> Response {
    let page = Page {
        title,
        visitor: None,
        script: None,
        content: html! { div.narrow { h1 { (title) } (content) } },
    };
    page.into_response()
}

fn login_form(email: &str, complaint: Option<&str>) -> Markup {
    html! {
        (complaint_box(complaint))
        form.stack method="post" action="/ui/login" {
            label { "E-mail" input type="email" name="email" value=(email) required autocomplete="username" autofocus[email.is_empty()]; }
            label { "Password" input type="password" name="password" required autocomplete="current-password" autofocus[!email.is_empty()]; }
            button.primary type="submit" { "Log in" }
        }
    }
}

fn setup_form(token: &str, email: &str, complaint: Option<&str>) -> Markup {
    html! {
        p { "Choose how you log in. You are the first person here, so you may do everything." }
        (complaint_box(complaint))
        form.stack method="post" action="/ui/setup" {
            input type="hidden" name="token" value=(token);
            label { "E-mail" input type="email" name="email" value=(email) required autocomplete="username" autofocus; }
            label { "Password" input type="password" name="password" required minlength=(PASSWORD_CHARS_AT_LEAST) autocomplete="new-password" aria-describedby="password-hint"; }
            p.hint id="password-hint" { "At least " (PASSWORD_CHARS_AT_LEAST) " characters." }
            button.primary type="submit" { "Create and log in" }
        }
    }
}

fn complaint_box(complaint: Option<&str>) -> Markup {
    html! { @if let Some(complaint) = complaint { p.notice.err role="alert" { (complaint) } } }
}
