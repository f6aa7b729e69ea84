//! The way back from the provider.

use axum::{extract::State, http::HeaderMap, response::Response};
use tenon_engine::auth::flow::{self, Callback};

use super::{browser, connect::found, page};
use crate::{App, UriParams, query::Query};

/// Where an installation that began at the provider goes back to.
const INSTALLATIONS: &str = "https://github.com";

/// `GET /oauth/callback`
pub(super) async fn callback(State(app): State<App>, query: Query, headers: HeaderMap) -> Response {
    let began_there =
        query.text("installation_id").is_some() && query.text("setup_action").is_some();
    let callback = callback_of(&query, &headers);
    if callback.state().is_none() && began_there {
        return found(INSTALLATIONS);
    }
    end(&app, &callback).await
}

/// `GET /oauth/callback/{key}`: the way back of an integration with a callback URL of its own.
pub(super) async fn of_integration(
    State(app): State<App>,
    uri: UriParams,
    query: Query,
    headers: HeaderMap,
) -> Response {
    let callback = Callback {
        integration: Some(uri.get("key").to_owned()),
        ..callback_of(&query, &headers)
    };
    end(&app, &callback).await
}

/// Ends the flow and shows how it ended.
pub(super) async fn end(app: &App, callback: &Callback) -> Response {
    // The browser may go away while the provider is asked: the code is used up then, so it goes on without it.
    let (engine, owned) = (app.engine.clone(), callback.clone());
    let ended = tokio::spawn(async move { flow::finish(&engine, &owned).await }).await;
    match ended {
        Ok(Ok(())) => page::connected(app),
        Ok(Err(error)) => page::failed(app, &error),
        Err(_) => {
            let message = "something went wrong on our side; please try again";
            page::failed(
                app,
                &flow::FlowError::new(flow::FlowErrorKind::Unknown, message),
            )
        }
    }
}

pub(super) fn callback_of(query: &Query, headers: &HeaderMap) -> Callback {
    Callback {
        query: query.0.as_object().cloned().unwrap_or_default(),
        cookies: browser::cookie_names(headers),
        integration: None,
        from_browser: browser::is_browser(headers),
    }
}
