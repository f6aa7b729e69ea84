//! What happens around every request.

pub(crate) mod body;
pub(crate) mod cors;
pub(crate) mod headers;
pub(crate) mod path;
pub(crate) mod rate_limit;
pub(crate) mod support;
