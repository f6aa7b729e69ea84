//! What stands under which key.

use bytes::Bytes;
use tenon_core::{Timestamp, names::EnvironmentPk};

use super::places::PLACES;
use crate::{
    Store, StoreError,
    instance_key::{ALL_VALUES, VAULT, id_text},
    params,
    seal::sealed_by,
};

crate::statements! {
    COUNT_WRAPPED = "SELECT substr(wrapped, 2, 8), COUNT(*) FROM data_key GROUP BY 1";
    LIST_DATA_KEYS = "
        SELECT pk, created_at_us, wrapped FROM data_key WHERE environment_pk = $1 ORDER BY created_at_us, pk";
}

/// A key and how many values it seals or wraps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCount {
    pub id: String,
    /// Whether new values are put under it.
    pub is_current: bool,
    /// Whether this node can read with it.
    pub is_known: bool,
    pub created_at: Option<Timestamp>,
    /// Nothing if nobody counted.
    pub rows: Option<i64>,
    /// Where they are: `table.column`.
    pub places: Vec<(String, i64)>,
}

/// The keys of a kind.
pub type KeyReport = Vec<KeyCount>;

impl Store {
    /// Instance keys: the one in force, those that this node has, and those that something stands under.
    pub async fn instance_key_report(&self) -> Result<KeyReport, StoreError> {
        let reader = self.reader();
        let current = id_text(self.current_instance_key().await?);
        let mut report: KeyReport = Vec::new();
        let mut add = |id: &[u8], place: &str, rows: i64| {
            let id = hex::encode(id);
            let at = report.iter().position(|key| key.id == id);
            let at = at.unwrap_or_else(|| {
                report.push(KeyCount {
                    is_current: id == current,
                    is_known: false,
                    id,
                    created_at: None,
                    rows: Some(0),
                    places: Vec::new(),
                });
                report.len() - 1
            });
            if rows > 0 {
                let key = &mut report[at];
                key.rows = key.rows.map(|sum| sum + rows);
                match key.places.iter_mut().find(|(name, _)| name == place) {
                    Some((_, sum)) => *sum += rows,
                    None => key.places.push((place.to_owned(), rows)),
                }
            }
        };
        for row in reader.query(&ALL_VALUES, &[]).await? {
            let (name, value): (String, Bytes) = (row.get(0)?, row.get(1)?);
            if let Some(id) = sealed_by(&value).filter(|_| !name.starts_with(VAULT)) {
                add(&id, "instance.value", 1);
            }
        }
        for row in reader.query(&COUNT_WRAPPED, &[]).await? {
            add(&row.get::<Bytes>(0)?, "data_key.wrapped", row.get(1)?);
        }
        let known = self.inner().keys.instance().ids();
        for id in &known {
            add(id, "", 0);
        }
        for key in &mut report {
            key.is_known = known.iter().any(|id| id_text(*id) == key.id);
        }
        report.sort_by_key(|key| (!key.is_current, key.id.clone()));
        Ok(report)
    }

    /// Data keys of an environment, the newest last. Counting reads every sealed row of it.
    pub async fn data_key_report(
        &self,
        environment: EnvironmentPk,
        counted: bool,
    ) -> Result<KeyReport, StoreError> {
        let reader = self.reader();
        let known = self.inner().keys.instance().ids();
        let mut report = Vec::new();
        let mut ids = Vec::new();
        for row in reader.query(&LIST_DATA_KEYS, params![environment]).await? {
            let pk: i64 = row.get(0)?;
            let wrapped: Bytes = row.get(2)?;
            let wrapped_by = sealed_by(&wrapped);
            ids.push(pk);
            report.push(KeyCount {
                id: pk.to_string(),
                is_current: false,
                is_known: wrapped_by.is_some_and(|id| known.contains(&id)),
                created_at: Some(row.get(1)?),
                rows: counted.then_some(0),
                places: Vec::new(),
            });
        }
        if let Some(newest) = report.last_mut() {
            newest.is_current = true;
        }
        if !counted {
            return Ok(report);
        }
        for place in PLACES {
            for row in reader.query(place.count, params![environment]).await? {
                let (id, rows): (Bytes, i64) = (row.get(0)?, row.get(1)?);
                let pk = <[u8; 8]>::try_from(id.as_ref()).map(i64::from_be_bytes);
                let at = pk.ok().and_then(|pk| ids.iter().position(|id| *id == pk));
                if let Some(key) = at.and_then(|at| report.get_mut(at)) {
                    key.rows = key.rows.map(|sum| sum + rows);
                    key.places.push((place.name(), rows));
                }
            }
        }
        Ok(report)
    }
}
