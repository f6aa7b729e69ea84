//! MCP servers: how a client becomes known to them, and how they say where tokens come from (auth-and-proxy.md, 6.8).
//!
//! A client is known by registration (RFC 7591, [`register`]), by a document at an address of ours ([`document`]), or
//! because the owner of the integration registered it. Servers of one provider have addresses in the catalogue; any other
//! server is asked for them ([`discover`], RFC 9728 and RFC 8414).

mod discover;
pub mod document;
mod prepare;
pub mod register;
mod server;

pub(crate) use prepare::at_provider;
pub(super) use prepare::{known, prepare};
pub(crate) use server::revocation;
pub(super) use server::served;
