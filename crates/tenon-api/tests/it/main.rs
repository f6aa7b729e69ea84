//! The public API, tested through the door that clients use.

mod app;
mod auth;
mod auth_errors;
mod connect_sessions;
mod connections;
mod environment;
mod health;
mod integrations;
mod lifecycle;
mod providers;

use app::TestApp;
