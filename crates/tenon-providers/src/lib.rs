//! The provider catalogue: what each external API needs to be connected and called.

/// All providers known to this instance, by name.
#[derive(Debug, Default)]
pub struct Catalogue;
