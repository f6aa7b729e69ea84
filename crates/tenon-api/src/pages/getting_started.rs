//! The four steps, led through with real traffic: against the demo helpdesk where there is one, else with what an
//! environment already has.

mod demo;
mod own;
mod steps;

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::Markup;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    access::{Change, Visitor},
    call::Called,
    layout::{self, Page},
};
use crate::{ApiError, App};

const HERE: &str = "/ui/getting-started";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(HERE, get(page))
        .route("/ui/getting-started/connect", post(connect))
        .route("/ui/getting-started/inbox", post(inbox))
        .route("/ui/getting-started/sync", post(sync))
        .route("/ui/getting-started/collect", post(collect))
        .route("/ui/getting-started/write", post(write))
}

/// What the buttons of the demo brought last, so that the page shows it after a redirect, too.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<Results>);

#[derive(Clone, Debug, Default)]
struct Results {
    collected: Option<Called>,
    written: Option<Called>,
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, Results> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default, Deserialize)]
struct PageQuery {
    environment: Option<String>,
}

async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Query(query): Query<PageQuery>,
) -> Response {
    let content: Result<Markup, Response> = match demo::Demo::of(&app).await {
        Ok(Some(demo)) if query.environment.is_none() => Ok(demo.page(&app, &visitor).await),
        Ok(_) => own::page(&app, &visitor, query.environment.as_deref()).await,
        Err(problem) => Err(ApiError::internal(&problem).into_response()),
    };
    match content {
        Ok(content) => Page {
            title: "Getting started",
            visitor: Some(&visitor),
            script: Some("getting-started.js"),
            content,
        }
        .into_response(),
        Err(response) => response,
    }
}

#[derive(Deserialize)]
struct Nothing {}

/// Opens a connect session: its token to our module, its link to a browser without scripts.
async fn connect(State(app): State<App>, headers: HeaderMap, change: Change<Nothing>) -> Response {
    let Nothing {} = change.form;
    let demo = match demo_of(&app).await {
        Ok(demo) => demo,
        Err(response) => return response,
    };
    let opened = demo.open_session(&app).await;
    let data = &opened.body["data"];
    let wants_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    match (
        wants_json,
        data["token"].as_str(),
        data["connect_link"].as_str(),
    ) {
        (true, Some(token), _) => Json(json!({ "token": token })).into_response(),
        (false, _, Some(link)) => Redirect::to(link).into_response(),
        _ => layout::refusal(
            StatusCode::BAD_GATEWAY,
            "No connect session could be opened",
            &opened.body.to_string(),
        ),
    }
}

/// Lets webhooks arrive on the page.
async fn inbox(State(app): State<App>, change: Change<Nothing>) -> Response {
    let Nothing {} = change.form;
    let demo = match demo_of(&app).await {
        Ok(demo) => demo,
        Err(response) => return response,
    };
    match demo.take_webhooks(&app).await {
        Ok(()) => Redirect::to("/ui/getting-started#notify").into_response(),
        Err(problem) => ApiError::internal(&problem).into_response(),
    }
}

/// Starts the sync now.
async fn sync(State(app): State<App>, change: Change<Nothing>) -> Response {
    let Nothing {} = change.form;
    match demo_of(&app).await {
        Ok(demo) => {
            demo.trigger_sync(&app).await;
            Redirect::to("/ui/getting-started#notify").into_response()
        }
        Err(response) => response,
    }
}

/// Fetches records.
async fn collect(State(app): State<App>, change: Change<Nothing>) -> Response {
    let Nothing {} = change.form;
    match demo_of(&app).await {
        Ok(demo) => {
            let collected = demo.collect(&app).await;
            app.shown.lock().collected = collected;
            Redirect::to("/ui/getting-started#collect").into_response()
        }
        Err(response) => response,
    }
}

/// Triggers the action with what was typed in.
async fn write(State(app): State<App>, change: Change<Map<String, Value>>) -> Response {
    match demo_of(&app).await {
        Ok(demo) => {
            let written = demo.write(&app, change.form).await;
            app.shown.lock().written = written;
            Redirect::to("/ui/getting-started#write").into_response()
        }
        Err(response) => response,
    }
}

async fn demo_of(app: &App) -> Result<demo::Demo, Response> {
    match demo::Demo::of(app).await {
        Ok(Some(demo)) => Ok(demo),
        Ok(None) => Err(layout::refusal(
            StatusCode::NOT_FOUND,
            "There is no demo here",
            "Only `tenon dev` brings one, unless it was started with `--no-demo`.",
        )),
        Err(problem) => Err(ApiError::internal(&problem).into_response()),
    }
}
