//! The public API, one module per area, one file per endpoint.

use axum::Router;

use crate::App;

pub mod action;
pub mod audit;
pub mod auth;
pub mod connect;
pub mod connections;
pub mod deploy;
pub mod deployments;
pub mod environment;
pub mod events;
pub mod export;
pub mod functions;
pub mod health;
pub mod integrations;
pub mod keys;
pub mod oauth;
pub mod operations;
pub mod providers;
pub mod proxy;
pub mod quarantine;
pub mod records;
pub mod revocations;
pub mod sync;
pub mod v1;
pub mod webhook;

/// All routes of the public API.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .merge(health::routes())
        .merge(v1::routes())
        .merge(sync::routes())
        .merge(functions::routes())
        .merge(deploy::routes())
        .merge(deployments::routes())
        .merge(webhook::routes())
        .merge(action::routes())
        .merge(environment::routes())
        .merge(keys::routes())
        .merge(export::routes())
        .merge(audit::routes())
        .merge(revocations::routes())
        .merge(providers::routes())
        .merge(proxy::routes())
        .merge(events::routes())
        .merge(operations::routes())
        .merge(integrations::routes())
        .merge(connections::routes())
        .merge(connect::routes())
        .merge(oauth::routes())
        .merge(auth::routes())
        .merge(records::routes())
        .merge(quarantine::routes())
}
