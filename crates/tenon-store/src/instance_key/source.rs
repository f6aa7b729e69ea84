//! Where instance keys are looked for when a database is opened.

use std::{collections::HashMap, sync::Arc};

use tenon_core::{Secret, SharedRandom, Timestamp};

use super::{
    CHECK, HANDOVER, INDEX_KEY, InstanceKey, InstanceKeys, InstanceRows, KeyFile, KeyId, KeyVault,
    VAULT, id_text,
};
use crate::{
    StoreError,
    seal::{Sealed, sealed_by},
};

/// What a caller knows about instance keys.
#[derive(Clone)]
pub(crate) struct KeySource {
    pub(crate) given: Option<Secret<[u8; 32]>>,
    /// Readable beside the given one: what was in force before, or comes next.
    pub(crate) previous: Vec<Secret<[u8; 32]>>,
    pub(crate) file: Option<KeyFile>,
    pub(crate) vault: Option<Arc<dyn KeyVault>>,
    pub(crate) random: SharedRandom,
    pub(crate) now: Timestamp,
}

/// What an empty database gets: rows of table `instance`.
pub(crate) struct NewInstance {
    pub(crate) keys: InstanceKeys,
    pub(crate) rows: Vec<(String, Sealed)>,
}

/// A key that is to become the instance key.
pub(crate) struct NextKey {
    pub(crate) key: InstanceKey,
    /// As the key service wrapped it.
    pub(crate) wrapped: Option<Vec<u8>>,
}

type Known = HashMap<KeyId, Arc<InstanceKey>>;

impl KeySource {
    /// The keys of a database that has content.
    pub(crate) async fn unlock(&self, rows: &InstanceRows) -> Result<InstanceKeys, StoreError> {
        let mut known = self.held()?;
        let (Some(check), Some(index_key)) = (rows.get(CHECK), rows.get(INDEX_KEY)) else {
            return Err(corrupt());
        };
        let id = sealed_by(check).ok_or_else(corrupt)?;
        if !known.contains_key(&id) {
            self.ask_vault(rows, &mut known).await?;
        }
        if known.is_empty() {
            return Err(StoreError::Key(format!(
                "this database has content, but its instance key is missing; {}",
                self.where_to_put_it()
            )));
        }
        take_handed_over(rows, &mut known);
        let Some(key) = known.get(&id).filter(|key| key.fits(check)) else {
            return Err(StoreError::Key(format!(
                "the instance key does not fit this database, which needs the one with id {}; {}",
                id_text(id),
                self.where_to_put_it()
            )));
        };
        let index = key.unwrap("instance", INDEX_KEY, index_key);
        let index = index.ok_or_else(corrupt)?;
        Ok(InstanceKeys::new(known, index))
    }

    /// Keys for an empty database. Called within the transaction that stores the rows; writes the key file if the key
    /// is a new one.
    pub(crate) async fn create(&self) -> Result<NewInstance, StoreError> {
        let NextKey { key, wrapped } = self.first().await?;
        let mut index = Secret::new([0; 32]);
        self.random.fill(index.expose_mut());
        let mut rows: Vec<(String, Sealed)> = key
            .rows(&self.random, &index)?
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        rows.extend(wrapped.map(|wrapped| (vault_row(key.id), Sealed::from(wrapped))));
        let mut known = self.held()?;
        known.insert(key.id, Arc::new(key));
        Ok(NewInstance {
            keys: InstanceKeys::new(known, index),
            rows,
        })
    }

    /// A key to follow the one in force: what the configuration gives, or a new one where we may make one.
    pub(crate) async fn next(&self, current: KeyId) -> Result<NextKey, StoreError> {
        if self.vault.is_some() {
            return self.wrapped(self.random_key()).await;
        }
        if let Some(given) = &self.given {
            let key = InstanceKey::new(given.clone());
            if key.id == current {
                return Err(StoreError::Key(
                    "the instance key is given from outside, and it is the one in force: give the new key as \
                     `encryption_key` and the present one as `previous_encryption_keys`, restart, then rotate"
                        .to_owned(),
                ));
            }
            return Ok(NextKey { key, wrapped: None });
        }
        let Some(file) = &self.file else {
            return Err(StoreError::Key(format!(
                "there is no place for a new instance key; {}",
                self.where_to_put_it()
            )));
        };
        let key = InstanceKey::new(self.random_key());
        self.keep_in(file, &key)?;
        Ok(NextKey { key, wrapped: None })
    }

    /// Makes sure that keys which this node has learned outlive it, where it keeps keys in a file of its own.
    pub(crate) fn keep(&self, key: &InstanceKey) -> Result<(), StoreError> {
        match &self.file {
            Some(file) if self.given.is_none() && self.vault.is_none() => self.keep_in(file, key),
            Some(_) | None => Ok(()),
        }
    }

    fn keep_in(&self, file: &KeyFile, key: &InstanceKey) -> Result<(), StoreError> {
        let note = format!("instance key {}, since {}", id_text(key.id), self.now);
        file.add(&key.secret, &note)
    }

    async fn first(&self) -> Result<NextKey, StoreError> {
        if let Some(given) = &self.given {
            let key = InstanceKey::new(given.clone());
            return Ok(NextKey { key, wrapped: None });
        }
        if self.vault.is_some() {
            return self.wrapped(self.random_key()).await;
        }
        let Some(file) = &self.file else {
            return Err(StoreError::Key(format!(
                "this database needs an instance key; {}",
                self.where_to_put_it()
            )));
        };
        let secret = match file.read()?.into_iter().next() {
            Some(secret) => secret,
            None => {
                let secret = self.random_key();
                file.create(&secret)?;
                secret
            }
        };
        let key = InstanceKey::new(secret);
        Ok(NextKey { key, wrapped: None })
    }

    /// What is at hand without asking anybody.
    fn held(&self) -> Result<Known, StoreError> {
        let mut secrets = self.previous.clone();
        secrets.extend(self.given.clone());
        if self.given.is_none()
            && let Some(file) = &self.file
        {
            secrets.extend(file.read()?);
        }
        let keys = secrets.into_iter().map(InstanceKey::new);
        Ok(keys.map(|key| (key.id, Arc::new(key))).collect())
    }

    async fn ask_vault(&self, rows: &InstanceRows, known: &mut Known) -> Result<(), StoreError> {
        let Some(vault) = &self.vault else {
            return Ok(());
        };
        for (_, wrapped) in rows.iter().filter(|(name, _)| name.starts_with(VAULT)) {
            let secret = vault.unwrap(wrapped).await.map_err(|error| {
                StoreError::Key(format!(
                    "{} did not unwrap the instance key: {error}",
                    vault.place()
                ))
            })?;
            let key = InstanceKey::new(secret);
            known.insert(key.id, Arc::new(key));
        }
        Ok(())
    }

    async fn wrapped(&self, secret: Secret<[u8; 32]>) -> Result<NextKey, StoreError> {
        let Some(vault) = &self.vault else {
            return Err(StoreError::Key("there is no key service".to_owned()));
        };
        let wrapped = vault.wrap(&secret).await.map_err(|error| {
            StoreError::Key(format!(
                "{} did not wrap the instance key: {error}",
                vault.place()
            ))
        })?;
        Ok(NextKey {
            key: InstanceKey::new(secret),
            wrapped: Some(wrapped),
        })
    }

    fn random_key(&self) -> Secret<[u8; 32]> {
        let mut key = Secret::new([0; 32]);
        self.random.fill(key.expose_mut());
        key
    }

    fn where_to_put_it(&self) -> String {
        if let Some(vault) = &self.vault {
            return format!("is {} the one that wrapped it?", vault.place());
        }
        let variable = "set TENON_ENCRYPTION_KEY (32 bytes in base64)";
        self.file.as_ref().map_or_else(
            || variable.to_owned(),
            |file| format!("put the key into `{}`, or {variable}", file.0.display()),
        )
    }
}

/// Name of the row that holds a key as the key service has wrapped it.
pub(crate) fn vault_row(id: KeyId) -> String {
    format!("{VAULT}{}", id_text(id))
}

/// Keys that a rotation under way hands to whoever has the one before.
fn take_handed_over(rows: &InstanceRows, known: &mut Known) {
    for (name, value) in rows.iter().filter(|(name, _)| name.starts_with(HANDOVER)) {
        let secret = sealed_by(value)
            .and_then(|old| known.get(&old))
            .and_then(|old| old.unwrap("instance", name, value));
        if let Some(secret) = secret {
            let key = InstanceKey::new(secret);
            known.entry(key.id).or_insert_with(|| Arc::new(key));
        }
    }
}

fn corrupt() -> StoreError {
    StoreError::Corrupt {
        table: "instance",
        column: "value",
        row: CHECK.to_owned(),
    }
}
