//! Flows without a browser redirect: somebody posts credentials (auth-and-proxy.md, 3.5).

mod api_key;
mod aws_sigv4;
mod basic;
mod bill;
mod client_credentials;
mod jwt;
mod outbound;
mod outcome;
mod signature;
mod tba;
mod two_step;
mod unauthenticated;
pub(crate) mod visitor;

use axum::{Router, routing::post};

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/api-auth/api-key/{key}", post(api_key::connect))
        .route("/api-auth/basic/{key}", post(basic::connect))
        .route("/oauth2/auth/{key}", post(client_credentials::connect))
        .route("/auth/two-step/{key}", post(two_step::connect))
        .route("/auth/jwt/{key}", post(jwt::connect))
        .route("/auth/signature/{key}", post(signature::connect))
        .route("/auth/tba/{key}", post(tba::connect))
        .route("/auth/bill/{key}", post(bill::connect))
        .route("/auth/aws-sigv4/{key}", post(aws_sigv4::connect))
        .route(
            "/auth/unauthenticated/{key}",
            post(unauthenticated::connect),
        )
        .route("/auth/oauth-outbound/{key}", post(outbound::connect))
}
