//! Envelope encryption of columns (DESIGN section 3).
//!
//! A data key per environment, wrapped by the instance key; AES-256-GCM under HKDF(data key, connection); table, column
//! and row as associated data. A sealed value names its data key, so that keys can be rotated while in use.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
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
    Queries, StoreError, Tx,
    instance_key::{HANDOVER, InstanceKey, InstanceKeys, id_text},
    params,
    rotation::dialect::CURRENT_CHECK,
    statements,
    store::Inner,
};

statements! {
    NEWEST_KEY = "
        SELECT pk, wrapped FROM data_key WHERE environment_pk = $1 ORDER BY created_at_us DESC, pk DESC LIMIT 1";
    FIND_KEY = "SELECT wrapped FROM data_key WHERE environment_pk = $1 AND pk = $2";
    FIND_HANDOVER = "SELECT value FROM instance WHERE name = $1";
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

/// How long a node seals with a data key before it looks whether there is a newer one. On SQLite the only process there
/// is makes the new ones itself.
pub(crate) const NEWEST_KNOWN: Duration = Duration::from_secs(5);

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
pub(crate) struct FreshKeys(Mutex<Vec<FreshKey>>);

/// A key, and whether it is the one that seals: an older one may have been loaded to open something.
type FreshKey = (Arc<DataKey>, bool);

impl FreshKeys {
    fn find(&self, pk: i64) -> Option<Arc<DataKey>> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter()
            .find(|(key, _)| key.pk == pk)
            .map(|(key, _)| key.clone())
    }

    /// The key that this transaction seals with, once it has begun to.
    fn newest(&self, environment: EnvironmentPk) -> Option<Arc<DataKey>> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seals = |(key, seals): &&FreshKey| *seals && key.environment == environment;
        keys.iter().rev().find(seals).map(|(key, _)| key.clone())
    }

    fn add(&self, key: Arc<DataKey>, seals: bool) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push((key, seals));
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
    newest: HashMap<EnvironmentPk, Newest>,
}

/// The key that seals, and when that was seen (monotonic).
struct Newest {
    key: Arc<DataKey>,
    seen: Duration,
}

impl KeyRing {
    pub(crate) fn new(instance: InstanceKeys) -> Self {
        Self {
            instance,
            data: RwLock::default(),
        }
    }

    pub(crate) const fn instance(&self) -> &InstanceKeys {
        &self.instance
    }

    pub(crate) fn index_hash(&self, domain: &str, content: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(self.instance.index().expose());
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
        for (key, _) in fresh {
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
        if let Some(key) = fresh.newest(environment) {
            return Ok(key);
        }
        let oldest = tx.is_postgres().then(|| {
            let now = tx.store().clock.monotonic();
            now.saturating_sub(NEWEST_KNOWN)
        });
        let seen_lately = |newest: &&Newest| oldest.is_none_or(|oldest| newest.seen >= oldest);
        let known = self.known(|keys| {
            let newest = keys.newest.get(&environment).filter(seen_lately);
            newest.map(|newest| Arc::clone(&newest.key))
        });
        if let Some(key) = known {
            return Ok(key);
        }
        let row = tx.get(&NEWEST_KEY, params![environment]).await?;
        let pk = row.get(0)?;
        let key = match self.known(|keys| keys.by_pk.get(&pk).cloned()) {
            Some(key) => key,
            None => self.unwrap(tx, environment, pk, &row.get(1)?).await?,
        };
        fresh.add(key.clone(), true);
        seal_with_after_commit(tx, key.clone());
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
        if let Some(key) = fresh.and_then(|fresh| fresh.find(pk)) {
            return Ok(Some(key));
        }
        if let Some(key) = self.known(|keys| keys.by_pk.get(&pk).cloned()) {
            return Ok(Some(key).filter(|key| key.environment == environment));
        }
        let Some(row) = source.find(&FIND_KEY, params![environment, pk]).await? else {
            return Ok(None);
        };
        let key = self.unwrap(source, environment, pk, &row.get(0)?).await?;
        match fresh {
            Some(fresh) => fresh.add(key.clone(), false),
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

    /// Makes a data key, which seals from this transaction on.
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
        let instance = self.current(tx).await?;
        let wrapped = instance.wrap(random, "data_key", &row, key.expose())?;
        let params = params![pk, environment, wrapped, now];
        tx.execute(&INSERT_KEY, params).await?;
        let key = Arc::new(DataKey::new(pk, environment, key.expose()));
        fresh.add(key.clone(), true);
        seal_with_after_commit(tx, key);
        Ok(())
    }

    /// The instance key in force, held against a rotation until the transaction ends.
    pub(crate) async fn current(&self, tx: &Tx) -> Result<Arc<InstanceKey>, StoreError> {
        let row = tx.get(&CURRENT_CHECK, &[]).await?;
        let check: Bytes = row.get(0)?;
        let id = sealed_by(&check).ok_or_else(|| corrupt("instance", "value", "check"))?;
        self.instance_key(tx, id).await
    }

    /// An instance key by its id; one that this node does not have yet is learned from a rotation under way.
    pub(crate) async fn instance_key<Q: Queries>(
        &self,
        source: &Q,
        id: [u8; 8],
    ) -> Result<Arc<InstanceKey>, StoreError> {
        if let Some(key) = self.instance.find(id) {
            return Ok(key);
        }
        let name = format!("{HANDOVER}{}", id_text(id));
        let row = source.find(&FIND_HANDOVER, params![&name]).await?;
        let value: Option<Bytes> = row.map(|row| row.get(0)).transpose()?;
        let learned = value.and_then(|value| self.instance.learn(&name, &value));
        learned.ok_or_else(|| {
            StoreError::Key(format!(
                "this node does not have the instance key {}: give it that key and restart it",
                id_text(id)
            ))
        })
    }

    fn known<T>(&self, look: impl FnOnce(&DataKeys) -> T) -> T {
        look(&self.data.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn unwrap<Q: Queries>(
        &self,
        source: &Q,
        environment: EnvironmentPk,
        pk: i64,
        wrapped: &Bytes,
    ) -> Result<Arc<DataKey>, StoreError> {
        let row = wrapped_row(environment, pk);
        let corrupt = || corrupt("data_key", "wrapped", &row);
        let id = sealed_by(wrapped).ok_or_else(corrupt)?;
        let instance = self.instance_key(source, id).await?;
        let key = instance.unwrap("data_key", &row, wrapped);
        let key = key.ok_or_else(corrupt)?;
        Ok(Arc::new(DataKey::new(pk, environment, key.expose())))
    }
}

/// From the commit on, and not before, everybody seals with this key.
fn seal_with_after_commit(tx: &Tx, key: Arc<DataKey>) {
    let store = tx.store();
    let seen = store.clock.monotonic();
    tx.after_commit(move || {
        let mut data = store.keys.data.write();
        let data = data.as_mut().unwrap_or_else(|poison| poison.get_mut());
        data.newest.insert(key.environment, Newest { key, seen });
    });
}

/// What a wrapped data key is bound to.
pub(crate) fn wrapped_row(environment: EnvironmentPk, pk: i64) -> String {
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
    sealed_by(sealed).map(i64::from_be_bytes)
}

/// The id of the key that sealed a value, as it stands behind the format byte.
pub(crate) fn sealed_by(sealed: &[u8]) -> Option<[u8; KEY_ID_BYTES]> {
    let (format, rest) = sealed.split_first()?;
    let id = rest.first_chunk::<KEY_ID_BYTES>()?;
    (*format == FORMAT).then_some(*id)
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
