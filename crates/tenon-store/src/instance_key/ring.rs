//! Instance keys in clear: the one in force and those beside it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use bytes::Bytes;
use tenon_core::{Secret, SharedRandom};

use super::{CHECK, CHECK_TEXT, HANDOVER, INDEX_KEY};
use crate::{
    StoreError,
    seal::{Sealed, associated, nonce, open, seal, sealed_by},
};

/// Names an instance key without telling it.
pub(crate) type KeyId = [u8; 8];

/// A [`KeyId`] as people and rows have it.
pub(crate) fn id_text(id: KeyId) -> String {
    hex::encode(id)
}

/// One instance key.
pub(crate) struct InstanceKey {
    pub(crate) id: KeyId,
    pub(crate) secret: Secret<[u8; 32]>,
    key: LessSafeKey,
}

impl InstanceKey {
    pub(crate) fn new(secret: Secret<[u8; 32]>) -> Self {
        let digest = blake3::derive_key("tenon instance key id", secret.expose());
        let id = *digest
            .first_chunk()
            .expect("a digest of 32 bytes has a first chunk of 8");
        let unbound = UnboundKey::new(&AES_256_GCM, secret.expose())
            .expect("AES-256 takes every key of 32 bytes");
        Self {
            id,
            secret,
            key: LessSafeKey::new(unbound),
        }
    }

    pub(crate) fn wrap(
        &self,
        random: &SharedRandom,
        table: &str,
        row: &str,
        plain: &[u8],
    ) -> Result<Sealed, StoreError> {
        let place = associated(table, column_of(table), row);
        seal(&self.key, self.id, nonce(random), &place, plain)
    }

    fn open(&self, table: &str, row: &str, sealed: &[u8]) -> Option<Bytes> {
        open(&self.key, &associated(table, column_of(table), row), sealed)
    }

    /// A key of 32 bytes that [`InstanceKey::wrap`] wrapped.
    pub(crate) fn unwrap(&self, table: &str, row: &str, sealed: &[u8]) -> Option<Secret<[u8; 32]>> {
        let plain = self.open(table, row, sealed)?;
        let key = <[u8; 32]>::try_from(plain.as_ref()).ok()?;
        Some(Secret::new(key))
    }

    /// Whether this key made the check value.
    pub(crate) fn fits(&self, check: &[u8]) -> bool {
        self.open("instance", CHECK, check).as_deref() == Some(CHECK_TEXT)
    }

    /// The two rows that make this the instance key of a database.
    pub(crate) fn rows(
        &self,
        random: &SharedRandom,
        index: &Secret<[u8; 32]>,
    ) -> Result<[(&'static str, Sealed); 2], StoreError> {
        Ok([
            (CHECK, self.wrap(random, "instance", CHECK, CHECK_TEXT)?),
            (
                INDEX_KEY,
                self.wrap(random, "instance", INDEX_KEY, index.expose())?,
            ),
        ])
    }

    /// This key for those who have another one: name and value of a row of table `instance`.
    pub(crate) fn handover(
        &self,
        random: &SharedRandom,
        for_whom: &Self,
    ) -> Result<(String, Sealed), StoreError> {
        let name = format!("{HANDOVER}{}", id_text(self.id));
        let value = for_whom.wrap(random, "instance", &name, self.secret.expose())?;
        Ok((name, value))
    }
}

fn column_of(table: &str) -> &'static str {
    if table == "instance" {
        "value"
    } else {
        "wrapped"
    }
}

/// The keys of an opened instance.
pub(crate) struct InstanceKeys {
    known: RwLock<HashMap<KeyId, Arc<InstanceKey>>>,
    index: RwLock<Secret<[u8; 32]>>,
}

impl InstanceKeys {
    pub(crate) fn new(known: HashMap<KeyId, Arc<InstanceKey>>, index: Secret<[u8; 32]>) -> Self {
        Self {
            known: RwLock::new(known),
            index: RwLock::new(index),
        }
    }

    /// The key of look-ups by hash.
    pub(crate) fn index(&self) -> Secret<[u8; 32]> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.clone()
    }

    pub(crate) fn set_index(&self, key: Secret<[u8; 32]>) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    pub(crate) fn find(&self, id: KeyId) -> Option<Arc<InstanceKey>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).cloned()
    }

    pub(crate) fn add(&self, key: Arc<InstanceKey>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(key.id, key);
    }

    /// Ids of the keys that this process can read with.
    pub(crate) fn ids(&self) -> Vec<KeyId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.keys().copied().collect()
    }

    /// Takes a key from a row `handover/<id>`, if the key that wrapped it is known.
    pub(crate) fn learn(&self, name: &str, value: &Bytes) -> Option<Arc<InstanceKey>> {
        let old = self.find(sealed_by(value)?)?;
        let key = Arc::new(InstanceKey::new(old.unwrap("instance", name, value)?));
        self.add(Arc::clone(&key));
        Some(key)
    }
}
