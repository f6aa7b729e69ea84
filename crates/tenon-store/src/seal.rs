//! Envelope encryption of columns (DESIGN section 3).
//!
//! A data key per environment, wrapped by the instance key; AES-256-GCM under HKDF(data key, connection); table, column
//! and row as associated data. A sealed value names its data key, so that keys can be rotated while in use.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf,
};
use bytes::Bytes;
use tenon_core::{
    Secret, SharedRandom, Timestamp,
    names::{ConnectionPk, EnvironmentPk},
};

use crate::{
    Queries, StoreError, Tx, instance_key::InstanceKeys, params, statements, store::Inner,
};

statements! {
    NEWEST_KEY = "
        SELECT pk, wrapped FROM data_key WHERE environment_pk = $1 ORDER BY created_at_us DESC, pk DESC LIMIT 1";
    FIND_KEY = "SELECT wrapped FROM data_key WHERE environment_pk = $1 AND pk = $2";
    INSERT_KEY = "
        INSERT INTO data_key (pk, environment_pk, wrapped, created_at_us) VALUES ($1, $2, $3, $4)";
}

/// Sealed bytes as they stand in a column: format byte, key id, nonce, ciphertext, tag.
pub type Sealed = Bytes;

const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_LEN;
const TAG_BYTES: usize = 16;

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

/// Nonces drawn together once a second one is asked for: the source of randomness costs about as much for one as for
/// many.
const NONCES: usize = 64;

/// Seals many values of one connection (or of none) with a key derived once.
pub struct Sealer {
    key_id: i64,
    key: LessSafeKey,
    random: SharedRandom,
    /// Drawn and not used yet.
    nonces: Vec<[u8; NONCE_LEN]>,
    is_used: bool,
}

impl Sealer {
    pub(crate) fn new(
        key: &DataKey,
        connection: Option<ConnectionPk>,
        random: SharedRandom,
    ) -> Self {
        Self {
            key_id: key.pk,
            key: key.derive(connection),
            random,
            nonces: Vec::new(),
            is_used: false,
        }
    }

    /// Seals one value.
    pub fn seal(
        &mut self,
        table: &'static str,
        column: &'static str,
        row: &str,
        plain: &[u8],
    ) -> Result<Sealed, StoreError> {
        let nonce = self.nonce();
        seal(
            &self.key,
            self.key_id.to_be_bytes(),
            nonce,
            &associated(table, column, row),
            plain,
        )
    }

    fn nonce(&mut self) -> [u8; NONCE_LEN] {
        if let Some(nonce) = self.nonces.pop() {
            return nonce;
        }
        if !std::mem::replace(&mut self.is_used, true) {
            return nonce(&self.random);
        }
        let mut drawn = [0; NONCE_LEN * NONCES];
        self.random.fill(&mut drawn);
        let (nonces, _) = drawn.as_chunks();
        self.nonces.extend_from_slice(nonces);
        self.nonces.pop().unwrap_or_else(|| nonce(&self.random))
    }
}

/// Opens many values of one connection (or of none); keys are derived once each.
pub struct Opener<Q> {
    source: Q,
    store: Arc<Inner>,
    environment: EnvironmentPk,
    connection: Option<ConnectionPk>,
    derived: Vec<(i64, LessSafeKey)>,
}

impl<Q: Queries> Opener<Q> {
    pub(crate) const fn new(
        source: Q,
        store: Arc<Inner>,
        environment: EnvironmentPk,
        connection: Option<ConnectionPk>,
    ) -> Self {
        Self {
            source,
            store,
            environment,
            connection,
            derived: Vec::new(),
        }
    }

    /// Opens one value.
    pub async fn open(
        &mut self,
        table: &'static str,
        column: &'static str,
        row: &str,
        sealed: &Sealed,
    ) -> Result<Bytes, StoreError> {
        let corrupt = || corrupt(table, column, row);
        let id = key_id(sealed).ok_or_else(corrupt)?;
        let known = self.derived.iter().position(|(known, _)| *known == id);
        let at = match known {
            Some(at) => at,
            None => {
                let keys = &self.store.keys;
                let key = keys.find(&self.source, None, self.environment, id).await?;
                let key = key.ok_or_else(corrupt)?;
                self.derived.push((id, key.derive(self.connection)));
                self.derived.len() - 1
            }
        };
        let (_, key) = &self.derived[at];
        open(key, &associated(table, column, row), sealed).ok_or_else(corrupt)
    }
}

/// A data key in clear.
pub(crate) struct DataKey {
    pk: i64,
    environment: EnvironmentPk,
    prk: hkdf::Prk,
}

impl DataKey {
    fn new(pk: i64, environment: EnvironmentPk, key: &[u8; 32]) -> Self {
        Self {
            pk,
            environment,
            prk: hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenon data key").extract(key),
        }
    }

    fn derive(&self, connection: Option<ConnectionPk>) -> LessSafeKey {
        let info = connection.map_or_else(
            || b"environment".to_vec(),
            |pk| [b"connection ".as_slice(), &pk.0.to_be_bytes()].concat(),
        );
        let info = [info.as_slice()];
        let expanded = self
            .prk
            .expand(&info, &AES_256_GCM)
            .expect("32 bytes are within what HKDF can expand to");
        LessSafeKey::new(UnboundKey::from(expanded))
    }
}

/// Data keys that one transaction has loaded or made; the others must not see them before it commits.
#[derive(Default)]
pub(crate) struct FreshKeys(Mutex<Vec<Arc<DataKey>>>);

impl FreshKeys {
    fn find(&self, wanted: impl Fn(&DataKey) -> bool) -> Option<Arc<DataKey>> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().rev().find(|key| wanted(key)).cloned()
    }

    fn add(&self, key: Arc<DataKey>) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push(key);
    }
}

/// The keys of this instance: the instance key, the index key, and the data keys unwrapped so far.
pub(crate) struct KeyRing {
    instance: InstanceKeys,
    data: RwLock<DataKeys>,
}

#[derive(Default)]
struct DataKeys {
    by_pk: HashMap<i64, Arc<DataKey>>,
    newest: HashMap<EnvironmentPk, Arc<DataKey>>,
}

impl KeyRing {
    pub(crate) fn new(instance: InstanceKeys) -> Self {
        Self {
            instance,
            data: RwLock::default(),
        }
    }

    pub(crate) fn index_hash(&self, domain: &str, content: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(self.instance.index.expose());
        hasher.update(&(domain.len() as u64).to_be_bytes());
        hasher.update(domain.as_bytes());
        hasher.update(content);
        *hasher.finalize().as_bytes()
    }

    /// Takes over the keys of a transaction that has committed.
    pub(crate) fn adopt(&self, fresh: &FreshKeys) {
        let fresh = std::mem::take(&mut *fresh.0.lock().unwrap_or_else(PoisonError::into_inner));
        if fresh.is_empty() {
            return;
        }
        let mut data = self.data.write().unwrap_or_else(PoisonError::into_inner);
        for key in fresh {
            data.by_pk.insert(key.pk, key);
        }
    }

    /// The key that seals now.
    pub(crate) async fn newest(
        &self,
        tx: &Tx,
        fresh: &FreshKeys,
        environment: EnvironmentPk,
    ) -> Result<Arc<DataKey>, StoreError> {
        if let Some(key) = fresh.find(|key| key.environment == environment) {
            return Ok(key);
        }
        if let Some(key) = self.known(|keys| keys.newest.get(&environment).cloned()) {
            return Ok(key);
        }
        let row = tx.get(&NEWEST_KEY, params![environment]).await?;
        let key = self.unwrap(environment, row.get(0)?, &row.get(1)?)?;
        fresh.add(key.clone());
        let (shared, newest) = (tx.store(), key.clone());
        tx.after_commit(move || {
            let mut data = shared.keys.data.write();
            let data = data.as_mut().unwrap_or_else(|poison| poison.get_mut());
            data.newest.insert(environment, newest);
        });
        Ok(key)
    }

    /// The key that sealed a value, if there is one.
    pub(crate) async fn find<Q: Queries>(
        &self,
        source: &Q,
        fresh: Option<&FreshKeys>,
        environment: EnvironmentPk,
        pk: i64,
    ) -> Result<Option<Arc<DataKey>>, StoreError> {
        if let Some(key) = fresh.and_then(|fresh| fresh.find(|key| key.pk == pk)) {
            return Ok(Some(key));
        }
        if let Some(key) = self.known(|keys| keys.by_pk.get(&pk).cloned()) {
            return Ok(Some(key).filter(|key| key.environment == environment));
        }
        let Some(row) = source.find(&FIND_KEY, params![environment, pk]).await? else {
            return Ok(None);
        };
        let key = self.unwrap(environment, pk, &row.get(0)?)?;
        match fresh {
            Some(fresh) => fresh.add(key.clone()),
            None => {
                let mut data = self.data.write().unwrap_or_else(PoisonError::into_inner);
                data.by_pk.insert(pk, key.clone());
            }
        }
        Ok(Some(key))
    }

    pub(crate) async fn open<Q: Queries>(
        &self,
        source: &Q,
        fresh: Option<&FreshKeys>,
        context: SealContext<'_>,
        sealed: &Sealed,
    ) -> Result<Bytes, StoreError> {
        let SealContext {
            table, column, row, ..
        } = context;
        let corrupt = || corrupt(table, column, row);
        let id = key_id(sealed).ok_or_else(corrupt)?;
        let key = self.find(source, fresh, context.environment, id).await?;
        let key = key.ok_or_else(corrupt)?.derive(context.connection);
        open(&key, &associated(table, column, row), sealed).ok_or_else(corrupt)
    }

    pub(crate) async fn create(
        &self,
        tx: &Tx,
        fresh: &FreshKeys,
        environment: EnvironmentPk,
        pk: i64,
        now: Timestamp,
        random: &SharedRandom,
    ) -> Result<(), StoreError> {
        let mut key = Secret::new([0; 32]);
        random.fill(key.expose_mut());
        let row = wrapped_row(environment, pk);
        let wrapped = self
            .instance
            .wrap(random, "data_key", "wrapped", &row, key.expose())?;
        let params = params![pk, environment, wrapped, now];
        tx.execute(&INSERT_KEY, params).await?;
        fresh.add(Arc::new(DataKey::new(pk, environment, key.expose())));
        Ok(())
    }

    fn known<T>(&self, look: impl FnOnce(&DataKeys) -> T) -> T {
        look(&self.data.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn unwrap(
        &self,
        environment: EnvironmentPk,
        pk: i64,
        wrapped: &Bytes,
    ) -> Result<Arc<DataKey>, StoreError> {
        let row = wrapped_row(environment, pk);
        let key = self.instance.unwrap("data_key", "wrapped", &row, wrapped)?;
        Ok(Arc::new(DataKey::new(pk, environment, key.expose())))
    }
}

fn wrapped_row(environment: EnvironmentPk, pk: i64) -> String {
    format!("{environment}/{pk}")
}

fn corrupt(table: &'static str, column: &'static str, row: &str) -> StoreError {
    StoreError::Corrupt {
        table,
        column,
        row: row.to_owned(),
    }
}

fn key_id(sealed: &[u8]) -> Option<i64> {
    let (format, rest) = sealed.split_first()?;
    let id = rest.first_chunk::<KEY_ID_BYTES>()?;
    (*format == FORMAT).then(|| i64::from_be_bytes(*id))
}

/// Associated data: each part with its length, so that no two places share one.
pub(crate) fn associated(table: &str, column: &str, row: &str) -> Vec<u8> {
    let mut data = Vec::with_capacity(24 + table.len() + column.len() + row.len());
    for part in [table, column, row] {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}

/// A nonce that nobody had before.
pub(crate) fn nonce(random: &SharedRandom) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut nonce);
    nonce
}

/// Seals `plain` under `key`, named `id`. No nonce may be used twice.
pub(crate) fn seal(
    key: &LessSafeKey,
    id: [u8; KEY_ID_BYTES],
    nonce: [u8; NONCE_LEN],
    associated: &[u8],
    plain: &[u8],
) -> Result<Sealed, StoreError> {
    let mut sealed = Vec::with_capacity(HEADER_BYTES + plain.len() + TAG_BYTES);
    sealed.push(FORMAT);
    sealed.extend_from_slice(&id);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(associated), &mut sealed[HEADER_BYTES..])
        .map_err(|_| StoreError::Key("a value is too large to be sealed".to_owned()))?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(Bytes::from(sealed))
}

/// Opens what [`seal`] made; `None` if key, place or bytes do not fit.
pub(crate) fn open(key: &LessSafeKey, associated: &[u8], sealed: &[u8]) -> Option<Bytes> {
    let nonce = sealed.get(HEADER_BYTES - NONCE_LEN..HEADER_BYTES)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut plain = sealed.get(HEADER_BYTES..)?.to_vec();
    let length = key
        .open_in_place(nonce, Aad::from(associated), &mut plain)
        .ok()?
        .len();
    plain.truncate(length);
    Some(Bytes::from(plain))
}
