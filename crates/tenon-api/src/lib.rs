//! HTTP: the public API, the connect pages and the getting-started pages.
//!
//! [`router`] turns an [`App`] into the service that listens. Each area of the API is a module of [`public`] with one
//! file per endpoint; what every endpoint stands on is here: who calls ([`caller`]), what comes in ([`body`], [`query`],
//! [`validate`]) and how failure looks ([`error`]).

mod app;
pub mod body;
pub mod caller;
pub mod demo;
pub mod error;
mod listen;
mod middleware;
mod names;
pub mod pages;
pub mod public;
pub mod query;
mod router;
pub mod simulator;
mod uri;
pub mod validate;

pub use app::App;
pub use error::{ApiError, ErrorCode, Issue};
pub use listen::serve;
pub use router::{connect_router, router};
pub use uri::UriParams;
