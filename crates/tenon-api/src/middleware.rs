//! What happens around every request.

pub(crate) mod around;
mod body;
mod cors;
pub(crate) mod headers;
pub(crate) mod path;
pub(crate) mod rate_limit;
pub(crate) mod support;
