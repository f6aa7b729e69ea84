//! The helpdesk's API: tickets in pages, with a rate limit.

use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, Query, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::json;

use super::{Helpdesk, state::TicketState, tokens::Kind};

pub(super) fn routes() -> Router<Helpdesk> {
    Router::new()
        .route("/api/tickets", get(list).post(create))
        .route("/api/tickets/{id}", get(one).patch(change).delete(delete))
}

const PER_PAGE: usize = 20;
const PER_PAGE_AT_MOST: usize = 100;

/// The account behind a token, within its rate limit.
struct Caller(String);

impl FromRequestParts<Helpdesk> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, helpdesk: &Helpdesk) -> Result<Self, Response> {
        let claims = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .and_then(|token| helpdesk.read(Kind::Access, token))
            .ok_or_else(|| {
                refuse(
                    StatusCode::UNAUTHORIZED,
                    "the access token is missing, forged or expired",
                )
            })?;
        let now = helpdesk.0.clock.now();
        match helpdesk.0.state.lock().count(&claims.account, now) {
            Ok(_) => Ok(Self(claims.account)),
            Err(wait) => {
                let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests");
                let seconds = HeaderValue::from(wait.as_secs() + 1);
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
                Err(response)
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    page: Option<usize>,
    per_page: Option<usize>,
}

async fn list(
    State(helpdesk): State<Helpdesk>,
    Caller(account): Caller,
    Query(query): Query<ListQuery>,
) -> Response {
    let per_page = query
        .per_page
        .unwrap_or(PER_PAGE)
        .clamp(1, PER_PAGE_AT_MOST);
    let page = query.page.unwrap_or(1).max(1);
    let state = helpdesk.0.state.lock();
    let all = state.tickets(&account);
    let start = page
        .saturating_sub(1)
        .saturating_mul(per_page)
        .min(all.len());
    let end = start.saturating_add(per_page).min(all.len());
    let next = (end < all.len()).then(|| {
        format!(
            "{}/api/tickets?page={}&per_page={per_page}",
            helpdesk.0.url,
            page + 1
        )
    });
    Json(json!({ "tickets": &all[start..end], "next_page": next, "count": all.len() }))
        .into_response()
}

async fn one(
    State(helpdesk): State<Helpdesk>,
    Caller(account): Caller,
    Path(id): Path<u64>,
) -> Response {
    match helpdesk.0.state.lock().ticket(&account, id) {
        Some(ticket) => Json(ticket).into_response(),
        None => no_ticket(id),
    }
}

#[derive(Debug, Deserialize)]
struct NewTicket {
    subject: String,
    #[serde(default)]
    description: String,
}

async fn create(
    State(helpdesk): State<Helpdesk>,
    Caller(account): Caller,
    Json(new): Json<NewTicket>,
) -> Response {
    if new.subject.trim().is_empty() {
        return refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "`subject` must not be empty",
        );
    }
    let now = helpdesk.0.clock.now();
    let opened = helpdesk
        .0
        .state
        .lock()
        .open(&account, &new.subject, &new.description, now);
    match opened {
        Some(ticket) => (StatusCode::CREATED, Json(ticket)).into_response(),
        None => refuse(
            StatusCode::INSUFFICIENT_STORAGE,
            "this demo account is full",
        ),
    }
}

#[derive(Debug, Deserialize)]
struct Change {
    subject: Option<String>,
    description: Option<String>,
    state: Option<TicketState>,
}

async fn change(
    State(helpdesk): State<Helpdesk>,
    Caller(account): Caller,
    Path(id): Path<u64>,
    Json(change): Json<Change>,
) -> Response {
    let now = helpdesk.0.clock.now();
    let changed = helpdesk.0.state.lock().change(&account, id, now, |ticket| {
        ticket.subject = change.subject.unwrap_or_else(|| ticket.subject.clone());
        ticket.description = change
            .description
            .unwrap_or_else(|| ticket.description.clone());
        ticket.state = change.state.unwrap_or(ticket.state);
    });
    match changed {
        Some(ticket) => Json(ticket).into_response(),
        None => no_ticket(id),
    }
}

async fn delete(
    State(helpdesk): State<Helpdesk>,
    Caller(account): Caller,
    Path(id): Path<u64>,
) -> Response {
    if helpdesk.0.state.lock().delete(&account, id) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        no_ticket(id)
    }
}

fn no_ticket(id: u64) -> Response {
    refuse(StatusCode::NOT_FOUND, &format!("there is no ticket {id}"))
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}
