//! Flows through a browser: redirect to the provider, callback, token (auth-and-proxy.md, 5 and 6.1).
//!
//! [`start`] stores what the callback will need and names the URL to go to; [`finish`] takes it out again, once, and
//! ends the flow one way or the other: connection, webhook, operation and the frame for the page commit together.

mod callback;
mod error;
mod installation;
mod oauth1;
mod pending;
mod start;

pub use callback::{Callback, cookie_name, finish};
pub use error::{FlowError, FlowErrorKind};
pub use pending::{TTL, purge};
pub use start::{Overrides, Redirect, Start, callback_url, start};

use tenon_core::auth::AuthMode;

/// Modes that go through a browser.
pub const MODES: [AuthMode; 7] = [
    AuthMode::OAuth1,
    AuthMode::OAuth2,
    AuthMode::App,
    AuthMode::Custom,
    AuthMode::McpOAuth2,
    AuthMode::McpOAuth2Generic,
    AuthMode::InstallPlugin,
];
