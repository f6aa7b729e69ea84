//! Where the helpdesk's own people work: a list of tickets and what one can do with them.

use axum::{
    Form, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use super::{
    Helpdesk,
    state::{Ticket, TicketState},
};
use crate::pages::assets;

pub(super) fn routes() -> Router<Helpdesk> {
    Router::new()
        .route("/", get(desk))
        .route("/tickets", post(open))
        .route("/tickets/{id}", post(change))
        .route("/desk.css", get(style))
}

#[derive(Debug, Deserialize)]
struct DeskQuery {
    account: Option<String>,
}

async fn style() -> Response {
    assets::serve("demo/desk.css", false)
}

async fn desk(State(helpdesk): State<Helpdesk>, Query(query): Query<DeskQuery>) -> Response {
    let accounts = &helpdesk.0.plan.accounts;
    let chosen = accounts
        .iter()
        .find(|account| query.account.as_ref() == Some(&account.email))
        .or_else(|| accounts.first());
    let Some(account) = chosen else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tickets = helpdesk.0.state.lock().tickets(&account.email).to_vec();
    page(
        "Tickets",
        &html! {
            nav {
                @for other in accounts {
                    a href={ "/?account=" (other.email) } aria-current=[(other.email == account.email).then_some("page")] { (other.company) }
                }
            }
            h1 { "Tickets of " (account.company) }
            p { "This is the external service of the demo. Change something here, and the app hears of it." }
            form.new method="post" action="/tickets" {
                input type="hidden" name="account" value=(account.email);
                label { "Subject " input name="subject" required maxlength="200"; }
                label { "Description " input name="description" maxlength="1000"; }
                button.primary type="submit" { "Open a ticket" }
            }
            ul.tickets {
                @for ticket in tickets.iter().rev() { (row(ticket, &account.email)) }
            }
        },
    )
    .into_response()
}

fn row(ticket: &Ticket, account: &str) -> Markup {
    let (word, action, label) = match ticket.state {
        TicketState::Open => ("open", "close", "Close"),
        TicketState::Closed => ("closed", "reopen", "Reopen"),
    };
    html! {
        li {
            div { strong { (ticket.subject) } " " span.state.(word) { (word) } p { (ticket.description) } small { "#" (ticket.id) " · " (ticket.requester_email) } }
            form method="post" action={ "/tickets/" (ticket.id) } {
                input type="hidden" name="account" value=(account);
                button type="submit" name="action" value=(action) aria-label={ (label) " ticket " (ticket.id) } { (label) }
                button type="submit" name="action" value="delete" aria-label={ "Delete ticket " (ticket.id) } { "Delete" }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct OpenForm {
    account: String,
    subject: String,
    #[serde(default)]
    description: String,
}

async fn open(
    State(helpdesk): State<Helpdesk>,
    headers: HeaderMap,
    Form(form): Form<OpenForm>,
) -> Response {
    if !comes_from_here(&helpdesk, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let now = helpdesk.0.clock.now();
    if !form.subject.trim().is_empty() {
        helpdesk
            .0
            .state
            .lock()
            .open(&form.account, &form.subject, &form.description, now);
    }
    back(&form.account)
}

#[derive(Debug, Deserialize)]
struct ChangeForm {
    account: String,
    action: String,
}

async fn change(
    State(helpdesk): State<Helpdesk>,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Form(form): Form<ChangeForm>,
) -> Response {
    if !comes_from_here(&helpdesk, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let now = helpdesk.0.clock.now();
    let mut state = helpdesk.0.state.lock();
    match form.action.as_str() {
        "close" => {
            state.change(&form.account, id, now, |ticket| {
                ticket.state = TicketState::Closed
            });
        }
        "reopen" => {
            state.change(&form.account, id, now, |ticket| {
                ticket.state = TicketState::Open
            });
        }
        "delete" => {
            state.delete(&form.account, id);
        }
        _ => return StatusCode::BAD_REQUEST.into_response(),
    }
    back(&form.account)
}

fn back(account: &str) -> Response {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("account", account)
        .finish();
    Redirect::to(&format!("/?{query}")).into_response()
}

/// Whether a form was sent from one of our own pages.
pub(super) fn comes_from_here(helpdesk: &Helpdesk, headers: &HeaderMap) -> bool {
    match headers.get(header::ORIGIN) {
        Some(origin) => origin.as_bytes() == helpdesk.0.url.as_bytes(),
        // Not a browser, or one that says where it comes from in another way.
        None => headers
            .get("sec-fetch-site")
            .is_none_or(|site| site == "same-origin" || site == "none"),
    }
}

/// A page that says no.
pub(super) fn refusal(complaint: &str) -> Response {
    page(
        "Not possible",
        &html! { h1 { "This does not work" } p { (complaint) } },
    )
    .into_response()
}

/// A page of the helpdesk.
pub(super) fn page(title: &str, content: &Markup) -> impl IntoResponse + use<> {
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Demo helpdesk" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/desk.css";
            }
            body {
                header { strong { "Demo helpdesk" } }
                main { (content) }
            }
        }
    };
    let policy = HeaderValue::from_static(
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Html(html.into_string()))
}
