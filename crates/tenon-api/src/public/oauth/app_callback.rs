//! The way back from the installation of an app.

use axum::{extract::State, http::HeaderMap, response::Response};

use super::callback::{callback_of, end};
use crate::{App, query::Query};

/// `GET /app-auth/connect`
pub(super) async fn callback(State(app): State<App>, query: Query, headers: HeaderMap) -> Response {
    end(&app, &callback_of(&query, &headers)).await
}
