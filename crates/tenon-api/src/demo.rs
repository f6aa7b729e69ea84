//! The demo helpdesk: a small external service of our own, so that the four steps can be seen without an account anywhere.
//!
//! It is no part of the platform: it is reached over its own listener through OAuth and HTTP like any provider, and what
//! the platform knows of it stands in a provider file (`examples/helpdesk`). It lives in this crate because only this one
//! knows how to serve HTTP.

mod api;
mod desk;
mod inbox;
mod oauth;
mod state;
mod tokens;

use std::sync::Arc;

use axum::Router;
use serde::Deserialize;
use tenon_core::{Ids, Secret, SharedClock};

pub use inbox::Received;

use state::State;

/// Who the helpdesk knows and what it starts with (`examples/helpdesk/demo.json`).
#[derive(Clone, Debug, Deserialize)]
pub struct Plan {
    /// Environment that the demo uses.
    pub environment: String,
    /// Integration in it; also the name of the provider.
    pub integration: String,
    pub client_id: String,
    pub client_secret: Secret<String>,
    accounts: Vec<Account>,
    tickets: Vec<SeedTicket>,
}

#[derive(Clone, Debug, Deserialize)]
struct Account {
    email: String,
    company: String,
}

#[derive(Clone, Debug, Deserialize)]
struct SeedTicket {
    subject: String,
    description: String,
    requester_email: String,
    state: state::TicketState,
}

/// A running helpdesk. Cloning shares it.
#[derive(Clone)]
pub struct Helpdesk(Arc<Inner>);

struct Inner {
    plan: Plan,
    /// Where it listens, without trailing slash.
    url: String,
    /// The only address that codes are sent to.
    callback_url: String,
    clock: SharedClock,
    ids: Ids,
    state: State,
}

impl Helpdesk {
    /// A helpdesk at `url` that trusts one client with one callback.
    pub fn new(
        plan: Plan,
        url: String,
        callback_url: String,
        clock: SharedClock,
        ids: Ids,
    ) -> Self {
        let state = State::seeded(&plan, clock.now());
        Self(Arc::new(Inner {
            plan,
            url,
            callback_url,
            clock,
            ids,
            state,
        }))
    }

    /// What it was made from.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// Where its people work.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Where the demo's app wants its webhooks.
    pub fn inbox_url(&self) -> String {
        format!("{}{}", self.0.url, inbox::PATH)
    }

    /// Tells the demo's app how webhooks are signed.
    pub fn trust_signing_key(&self, key: Secret<String>) {
        self.0.state.lock().signing_key = Some(key);
    }

    /// The webhooks that the demo's app received, newest first.
    pub fn received(&self) -> Vec<Received> {
        self.0.state.lock().received.iter().cloned().collect()
    }

    /// Its service.
    pub fn router(&self) -> Router {
        Router::new()
            .merge(oauth::routes())
            .merge(api::routes())
            .merge(desk::routes())
            .merge(inbox::routes())
            .with_state(self.clone())
    }
}

#[cfg(test)]
mod tests;
