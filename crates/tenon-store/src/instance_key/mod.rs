//! The instance key: what wraps all other keys, and where it comes from.
//!
//! The table `instance` holds a check value sealed by the instance key, and the index key. A database without that
//! table is empty: only then may a new instance key be made, in the transaction that writes its check value. The id
//! within the check value says which key is in force; others may be readable beside it, before, during and after a
//! rotation.

mod file;
mod ring;
mod source;
mod vault;

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use tenon_core::Secret;

use crate::{StoreError, statements};

pub(crate) use file::KeyFile;
pub(crate) use ring::{InstanceKey, InstanceKeys, KeyId, id_text};
pub(crate) use source::KeySource;
pub use vault::{KeyVault, VaultError};

statements! {
    ALL_VALUES = "SELECT name, value FROM instance";
    FIND_VALUE = "SELECT value FROM instance WHERE name = $1";
    INSERT_VALUE = "INSERT INTO instance (name, value) VALUES ($1, $2)";
}

pub(crate) const CHECK: &str = "check";
pub(crate) const INDEX_KEY: &str = "index_key";

/// Rows `handover/<id>`: for as long as a rotation lasts, the new instance key wrapped by the old one and the other way
/// round. A node that has either learns the other from there.
pub(crate) const HANDOVER: &str = "handover/";

/// Rows `vault/<id>`: an instance key as a key service has wrapped it.
pub(crate) const VAULT: &str = "vault/";

const CHECK_TEXT: &[u8] = b"tenon instance key";

/// The rows of table `instance`.
pub(crate) type InstanceRows = BTreeMap<String, Bytes>;

/// Reads keys, one per line, as the key file has them; empty lines and lines that begin with `#` do not count.
pub fn parse_instance_keys(text: &str) -> Result<Vec<Secret<[u8; 32]>>, StoreError> {
    file::lines(text).map(parse_instance_key).collect()
}

/// Reads a key of 32 bytes from base64, as `TENON_ENCRYPTION_KEY` and the key file have it.
pub fn parse_instance_key(text: &str) -> Result<Secret<[u8; 32]>, StoreError> {
    let bytes = BASE64_STANDARD.decode(text.trim()).ok();
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    key.map(Secret::new).ok_or_else(|| {
        StoreError::Key("the instance key must be 32 bytes in base64 (44 characters)".to_owned())
    })
}
