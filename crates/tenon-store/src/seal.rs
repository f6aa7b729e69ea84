//! Envelope encryption of columns (DESIGN section 3).

use bytes::Bytes;
use tenon_core::names::{ConnectionPk, EnvironmentPk};

/// Sealed bytes as they stand in a column: format byte, key id, nonce, ciphertext, tag.
pub type Sealed = Bytes;

/// Where a sealed value lives: chooses the key and becomes the associated data, so that a value copied to another row
/// or column does not open.
#[derive(Clone, Copy, Debug)]
pub struct SealContext<'a> {
    pub environment: EnvironmentPk,
    /// Derives a key per connection, so that random nonces stay far from their limit.
    pub connection: Option<ConnectionPk>,
    pub table: &'static str,
    pub column: &'static str,
    /// Key of the row, as text.
    pub row: &'a str,
}
