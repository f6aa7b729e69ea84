//! The instance key: what wraps all other keys, and where it comes from.
//!
//! The table `instance` holds a check value sealed by the instance key, and the index key. A database without that
//! table is empty: only then may a new instance key be made, in the transaction that writes its check value.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use tenon_core::{Secret, SharedRandom, Timestamp};

use crate::{
    StoreError,
    seal::{Sealed, associated, nonce, open, seal},
    statements,
};

statements! {
    FIND_VALUE = "SELECT value FROM instance WHERE name = $1";
    INSERT_VALUE = "INSERT INTO instance (name, value) VALUES ($1, $2)";
}

pub(crate) const CHECK: &str = "check";
pub(crate) const INDEX_KEY: &str = "index_key";

const CHECK_TEXT: &[u8] = b"tenon instance key";

/// Reads a key of 32 bytes from base64, as `TENON_ENCRYPTION_KEY` and the key file have it.
pub fn parse_instance_key(text: &str) -> Result<Secret<[u8; 32]>, StoreError> {
    let bytes = BASE64_STANDARD.decode(text.trim()).ok();
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    key.map(Secret::new).ok_or_else(|| {
        StoreError::Key("the instance key must be 32 bytes in base64 (44 characters)".to_owned())
    })
}

/// The keys of an opened instance.
pub(crate) struct InstanceKeys {
    key: InstanceKey,
    pub(crate) index: Secret<[u8; 32]>,
}

impl InstanceKeys {
    /// Wraps a key with the instance key.
    pub(crate) fn wrap(
        &self,
        random: &SharedRandom,
        table: &str,
        column: &str,
        row: &str,
        plain: &[u8; 32],
    ) -> Result<Sealed, StoreError> {
        self.key.wrap(random, table, column, row, plain)
    }

    /// Unwraps a key that [`InstanceKeys::wrap`] wrapped.
    pub(crate) fn unwrap(
        &self,
        table: &'static str,
        column: &'static str,
        row: &str,
        wrapped: &Bytes,
    ) -> Result<Secret<[u8; 32]>, StoreError> {
        let plain = open(&self.key.key, &associated(table, column, row), wrapped);
        plain
            .and_then(|plain| <[u8; 32]>::try_from(plain.as_ref()).ok())
            .map(Secret::new)
            .ok_or_else(|| StoreError::Corrupt {
                table,
                column,
                row: row.to_owned(),
            })
    }
}

struct InstanceKey {
    id: [u8; 8],
    key: LessSafeKey,
}

impl InstanceKey {
    fn new(key: &Secret<[u8; 32]>) -> Self {
        let digest = blake3::derive_key("tenon instance key id", key.expose());
        let id = *digest
            .first_chunk()
            .expect("a digest of 32 bytes has a first chunk of 8");
        let unbound = UnboundKey::new(&AES_256_GCM, key.expose())
            .expect("AES-256 takes every key of 32 bytes");
        Self {
            id,
            key: LessSafeKey::new(unbound),
        }
    }

    fn wrap(
        &self,
        random: &SharedRandom,
        table: &str,
        column: &str,
        row: &str,
        plain: &[u8],
    ) -> Result<Sealed, StoreError> {
        seal(
            &self.key,
            self.id,
            nonce(random),
            &associated(table, column, row),
            plain,
        )
    }
}

/// What a caller knows about the instance key.
pub(crate) struct KeySource {
    pub(crate) given: Option<Secret<[u8; 32]>>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) random: SharedRandom,
    pub(crate) now: Timestamp,
}

/// What an empty database gets: rows of table `instance`.
pub(crate) struct NewInstance {
    pub(crate) keys: InstanceKeys,
    pub(crate) rows: [(&'static str, Sealed); 2],
}

impl KeySource {
    /// The keys of a database that has content. `stored` looks up a row of table `instance`.
    pub(crate) fn unlock(
        &self,
        check: Option<&Bytes>,
        index_key: Option<&Bytes>,
    ) -> Result<InstanceKeys, StoreError> {
        let Some(key) = self.existing()? else {
            return Err(StoreError::Key(format!(
                "this database has content, but its instance key is missing; {}",
                self.where_to_put_it()
            )));
        };
        let (Some(check), Some(index_key)) = (check, index_key) else {
            return Err(StoreError::Corrupt {
                table: "instance",
                column: "value",
                row: CHECK.to_owned(),
            });
        };
        let key = InstanceKey::new(&key);
        let plain = open(&key.key, &associated("instance", "value", CHECK), check);
        if plain.as_deref() != Some(CHECK_TEXT) {
            return Err(StoreError::Key(format!(
                "the instance key does not fit this database, it was made with another one; {}",
                self.where_to_put_it()
            )));
        }
        let mut keys = InstanceKeys {
            key,
            index: Secret::new([0; 32]),
        };
        keys.index = keys.unwrap("instance", "value", INDEX_KEY, index_key)?;
        Ok(keys)
    }

    /// Keys for an empty database. Called within the transaction that stores the rows; writes the key file if the key
    /// is a new one.
    pub(crate) fn create(&self) -> Result<NewInstance, StoreError> {
        let key = match (self.existing()?, &self.file) {
            (Some(key), _) => key,
            (None, Some(file)) => self.make_file(file)?,
            (None, None) => {
                return Err(StoreError::Key(format!(
                    "this database needs an instance key; {}",
                    self.where_to_put_it()
                )));
            }
        };
        let key = InstanceKey::new(&key);
        let mut index = Secret::new([0; 32]);
        self.random.fill(index.expose_mut());
        let wrap = |row, plain: &[u8]| key.wrap(&self.random, "instance", "value", row, plain);
        let rows = [
            (CHECK, wrap(CHECK, CHECK_TEXT)?),
            (INDEX_KEY, wrap(INDEX_KEY, index.expose())?),
        ];
        Ok(NewInstance {
            keys: InstanceKeys { key, index },
            rows,
        })
    }

    fn existing(&self) -> Result<Option<Secret<[u8; 32]>>, StoreError> {
        if self.given.is_some() {
            return Ok(self.given.clone());
        }
        let Some(file) = &self.file else {
            return Ok(None);
        };
        match std::fs::read_to_string(file) {
            Ok(text) => parse_instance_key(&text)
                .map(Some)
                .map_err(|error| StoreError::Key(format!("`{}`: {error}", file.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Key(format!(
                "cannot read the instance key from `{}`: {error}",
                file.display()
            ))),
        }
    }

    fn make_file(&self, file: &Path) -> Result<Secret<[u8; 32]>, StoreError> {
        let mut key = Secret::new([0; 32]);
        self.random.fill(key.expose_mut());
        let text = format!("{}\n", BASE64_STANDARD.encode(key.expose()));
        write_private(file, &text).map_err(|error| {
            StoreError::Key(format!(
                "cannot write the instance key to `{}`: {error}",
                file.display()
            ))
        })?;
        Ok(key)
    }

    fn where_to_put_it(&self) -> String {
        let variable = "set TENON_ENCRYPTION_KEY (32 bytes in base64)";
        self.file.as_ref().map_or_else(
            || variable.to_owned(),
            |file| format!("put the key into `{}`, or {variable}", file.display()),
        )
    }
}

/// Writes a file that did not exist, readable by its owner only, and makes sure that it stays.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()?;
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
