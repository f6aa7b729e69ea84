//! The one outgoing HTTP client: address guard, limits, redirects (DESIGN, 6).
//!
//! Everything Tenon asks of the outside goes through [`Egress::send`]. A name is resolved once per connection, every
//! address is checked, and the socket is opened to a checked address; connections are kept alive per origin.

mod address;
mod budget;
mod client;
mod connect;
mod date;
mod decompress;
mod error;
mod guard;
mod headers;
mod hosts;
mod network;
mod redirect;
mod request;
mod response;
mod stand_in;
mod tls;

pub use budget::{Budget, Pot, Tab};
pub use client::Egress;
pub use date::http_date;
pub use error::{EgressError, Refused};
pub use guard::EgressPolicy;
pub use hosts::Hosts;
pub use network::{Network, Socket, SystemNetwork};
pub use request::{
    AcrossOrigins, ClientIdentity, EgressBody, EgressOptions, EgressRequest, checked_header,
};
pub use response::{EgressResponse, ResponseBody};
pub use stand_in::StandIn;
