//! The public API, tested through the door that clients use.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that cannot go on ends the test"
)]

mod actions;
mod app;
mod audit;
mod auth;
mod auth_errors;
mod connect_sessions;
mod connect_ui;
mod connections;
mod crashes;
mod deploy;
mod deployments;
mod environment;
mod events;
mod from_functions;
mod function_modes;
mod functions;
mod health;
mod integrations;
mod keys;
mod lifecycle;
mod on_events;
mod operations;
mod pages;
mod providers;
mod proxy;
mod proxy_guard;
mod records;
mod rehearsals;
mod revocations;
mod syncs;
mod transfer;
mod validation;
mod webhooks_in;

use app::TestApp;
