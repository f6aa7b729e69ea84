//! Everything of an environment as rows that another instance can take in.
//!
//! Rows keep their keys, so that taking them in twice changes nothing. Sealed values leave opened (the caller seals the whole
//! file) and are sealed again on the way in, under the keys of the instance they come to.

mod tables;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value};
use tenon_core::{
    Secret,
    names::{ConnectionPk, EnvironmentPk},
};

use crate::{
    Param, Reader, Row, SealContext, Store, StoreError, Tx,
    instance_key::{CHECK, INDEX_KEY},
    params,
};

use tables::{Column, Kind, TABLES, Table};

/// Rows of a table read at once.
const PAGE: i64 = 200;

crate::statements! {
    ANY_ENVIRONMENT = "SELECT pk FROM environment LIMIT 1";
    REPLACE_INDEX_KEY = "UPDATE instance SET value = $2 WHERE name = $1";
}

/// A row by column name.
pub type TransferRow = Map<String, Value>;

/// Tables and columns that an export carries, in the order in which they are taken in.
pub fn transferred_columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().flat_map(|table| {
        table
            .columns
            .iter()
            .map(|(column, _)| (table.name, *column))
    })
}

/// A place within an export.
#[derive(Clone, Debug, Default)]
pub struct TransferPlace {
    table: usize,
    after: Vec<Param>,
}

/// Some rows and where to go on.
pub struct TransferPage {
    pub table: &'static str,
    pub rows: Vec<TransferRow>,
    /// Nothing behind the last page.
    pub next: Option<TransferPlace>,
}

impl Store {
    /// The key of look-ups by hash and of content hashes: an instance that is made anew from an export takes it over, so
    /// that record hashes keep their meaning.
    pub fn index_key(&self) -> Secret<[u8; 32]> {
        self.inner().keys.instance().index()
    }

    /// Takes over an index key; false if this instance has content, which hangs on its own.
    pub async fn adopt_index_key(&self, key: Secret<[u8; 32]>) -> Result<bool, StoreError> {
        self.write(move |tx| async move {
            if tx.find(&ANY_ENVIRONMENT, &[]).await?.is_some() {
                return Ok(false);
            }
            let store = tx.store();
            let current = store.keys.current(&tx).await?;
            for (name, value) in current.rows(&store.random, &key)? {
                if name != CHECK {
                    debug_assert_eq!(name, INDEX_KEY);
                    tx.execute(&REPLACE_INDEX_KEY, params![name, value]).await?;
                }
            }
            tx.after_commit(move || store.keys.instance().set_index(key));
            Ok(true)
        })
        .await
    }
}

impl Reader {
    /// The next rows of an environment.
    pub async fn export_page(
        &self,
        environment: EnvironmentPk,
        place: &TransferPlace,
    ) -> Result<TransferPage, StoreError> {
        let table = &TABLES[place.table];
        let mut params = params![environment, PAGE].to_vec();
        params.extend(place.after.iter().cloned());
        let statement = if place.after.is_empty() {
            &table.first
        } else {
            &table.next
        };
        let found = self.query(statement, &params).await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            rows.push(self.opened(environment, table, row).await?);
        }
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count == PAGE);
        let last = rows.last().filter(|_| is_full);
        let next = match last {
            Some(last) => Some(TransferPlace {
                table: place.table,
                after: table.key_of(last),
            }),
            None => (place.table + 1 < TABLES.len()).then(|| TransferPlace {
                table: place.table + 1,
                after: Vec::new(),
            }),
        };
        Ok(TransferPage {
            table: table.name,
            rows,
            next,
        })
    }

    async fn opened(
        &self,
        environment: EnvironmentPk,
        table: &Table,
        row: &Row,
    ) -> Result<TransferRow, StoreError> {
        let mut object = Map::new();
        for (at, (name, kind)) in table.columns.iter().enumerate() {
            let value = match kind {
                Kind::Int => row.get::<Option<i64>>(at)?.into(),
                Kind::Bool => row.get::<Option<bool>>(at)?.into(),
                Kind::Text => row.get::<Option<String>>(at)?.into(),
                Kind::Bytes | Kind::Sealed => {
                    let bytes = row.get::<Option<Bytes>>(at)?;
                    bytes.map_or(Value::Null, |bytes| BASE64_STANDARD.encode(bytes).into())
                }
            };
            object.insert((*name).to_owned(), value);
        }
        for column in table
            .columns
            .iter()
            .filter(|(_, kind)| *kind == Kind::Sealed)
        {
            let Some(sealed) = bytes(&object, column.0) else {
                continue;
            };
            let (connection, name) = table.seal_of(&object);
            let context = context(environment, connection, table, column, &name);
            let plain = self.open(context, &sealed).await?;
            object.insert(column.0.to_owned(), BASE64_STANDARD.encode(plain).into());
        }
        Ok(object)
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    New,
    /// It was there already.
    Known,
    /// What it belongs to is not there: it went while the export was written.
    Orphan,
    /// This version does not know the table.
    Foreign,
}

impl Tx {
    /// Takes a row in.
    pub async fn import_row(
        &self,
        environment: EnvironmentPk,
        table: &str,
        row: &TransferRow,
    ) -> Result<Taken, StoreError> {
        let Some(table) = TABLES.iter().find(|known| known.name == table) else {
            return Ok(Taken::Foreign);
        };
        if self.find(&table.known, &table.key_of(row)).await?.is_some() {
            return Ok(Taken::Known);
        }
        if let Some((parent, column)) = &table.parent {
            let key = Param::from(row.get(*column).and_then(Value::as_i64));
            if self.find(parent, &[key]).await?.is_none() {
                return Ok(Taken::Orphan);
            }
        }
        if table.name == "environment" {
            self.create_data_key(environment).await?;
        }
        let mut values = Vec::with_capacity(table.columns.len());
        for column in table.columns {
            values.push(self.param(environment, table, column, row).await?);
        }
        Ok(match self.execute(&table.insert, &values).await? {
            0 => Taken::Known,
            _ => Taken::New,
        })
    }

    async fn param(
        &self,
        environment: EnvironmentPk,
        table: &Table,
        column: &Column,
        row: &TransferRow,
    ) -> Result<Param, StoreError> {
        let (name, kind) = *column;
        let value = row.get(name).unwrap_or(&Value::Null);
        if (table.name, name) == ("api_key", "lookup") {
            // Under this instance's own index key.
            let key = bytes(row, "sealed").unwrap_or_default();
            return Ok(Param::from(self.index_hash("api_key", &key).to_vec()));
        }
        Ok(match kind {
            Kind::Int => Param::Int(value.as_i64()),
            Kind::Bool => Param::Bool(value.as_bool()),
            Kind::Text => Param::Text(value.as_str().map(str::to_owned)),
            Kind::Bytes => Param::Bytes(bytes(row, name)),
            Kind::Sealed => match bytes(row, name) {
                None => Param::Bytes(None),
                Some(plain) => {
                    let (connection, row) = table.seal_of(row);
                    let context = context(environment, connection, table, column, &row);
                    Param::Bytes(Some(self.seal(context, &plain).await?))
                }
            },
        })
    }
}

fn bytes(row: &TransferRow, column: &str) -> Option<Bytes> {
    let text = row.get(column)?.as_str()?;
    BASE64_STANDARD.decode(text).ok().map(Bytes::from)
}

const fn context<'a>(
    environment: EnvironmentPk,
    connection: Option<ConnectionPk>,
    table: &Table,
    column: &Column,
    row: &'a str,
) -> SealContext<'a> {
    SealContext {
        environment,
        connection,
        table: table.name,
        column: column.0,
        row,
    }
}
