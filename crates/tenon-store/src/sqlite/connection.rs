//! One connection: binding parameters, reading rows, naming errors.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use rusqlite::{
    CachedStatement, ErrorCode, OpenFlags, ToSql,
    config::DbConfig,
    ffi,
    types::{ToSqlOutput, ValueRef},
};

use crate::{Changes, Param, Row, Statement, StoreError, Value};

/// Statements kept prepared per connection: more than this crate has.
const PREPARED_STATEMENTS: usize = 1_000;

/// Pages a connection keeps, in KiB (negative: SQLite's way to say so). The rest is the operating system's cache.
const CACHE_PRAGMA: &str = "PRAGMA cache_size = -4096";

pub(super) struct Connection(pub(super) rusqlite::Connection);

impl Connection {
    /// Opens an existing file.
    pub(super) fn open(path: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let raw = rusqlite::Connection::open_with_flags(path, flags)
            .map_err(|error| error_of("open", &error))?;
        raw.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
        raw.busy_timeout(std::time::Duration::from_secs(10))
            .map_err(|error| error_of("open", &error))?;
        // One plan per statement: a plan that looks at bound values is made anew at every use.
        raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(|error| error_of("open", &error))?;
        let connection = Self(raw);
        connection.run(CACHE_PRAGMA)?;
        connection.run("PRAGMA temp_store = MEMORY")?;
        Ok(connection)
    }

    /// Opens an existing file for reading only.
    pub(super) fn open_reader(path: &Path) -> Result<Self, StoreError> {
        let connection = Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.run("PRAGMA query_only = ON")?;
        Ok(connection)
    }

    /// Reports every row that this connection changes from now on.
    pub(super) fn report(&mut self, changes: Arc<Changes>) -> Result<(), StoreError> {
        self.0
            .update_hook(Some(move |_, _: &str, table: &str, row| {
                changes.row(table, row);
            }))
            .map_err(|error| error_of("open", &error))
    }

    /// Runs one or more fixed texts without parameters.
    pub(super) fn run(&self, text: &'static str) -> Result<(), StoreError> {
        self.0
            .execute_batch(text)
            .map_err(|error| error_of(text, &error))
    }

    /// Runs one fixed text that comes again and again.
    pub(super) fn run_cached(&self, text: &'static str) -> Result<(), StoreError> {
        self.0
            .prepare_cached(text)
            .and_then(|mut prepared| prepared.raw_execute())
            .map(drop)
            .map_err(|error| error_of(text, &error))
    }

    /// Lends a prepared statement.
    pub(super) fn with_prepared<T>(
        &self,
        statement: &'static Statement,
        work: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.0
            .prepare_cached(statement.sqlite_text())
            .and_then(|mut prepared| work(&mut prepared))
            .map_err(|error| error_of(statement.name, &error))
    }

    /// At most `limit` rows.
    pub(super) fn query(
        &self,
        statement: &'static Statement,
        params: &[Param],
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let fail = |error| error_of(statement.name, &error);
        let mut prepared = self.bound(statement, params)?;
        let columns = prepared.column_count();
        let mut rows = prepared.raw_query();
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(row) = rows.next().map_err(fail)? else {
                break;
            };
            let mut values = Vec::with_capacity(columns);
            for column in 0..columns {
                values.push(value(
                    row.get_ref(column).map_err(fail)?,
                    statement,
                    column,
                )?);
            }
            found.push(Row::new(statement.name, values));
        }
        Ok(found)
    }

    /// Runs to the end; the number of rows touched.
    pub(super) fn execute(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<u64, StoreError> {
        let mut prepared = self.bound(statement, params)?;
        let mut rows = prepared.raw_query();
        while rows
            .next()
            .map_err(|error| error_of(statement.name, &error))?
            .is_some()
        {}
        drop(rows);
        drop(prepared);
        Ok(self.0.changes())
    }

    fn bound(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<CachedStatement<'_>, StoreError> {
        let fail = |error| error_of(statement.name, &error);
        let mut prepared = self
            .0
            .prepare_cached(statement.sqlite_text())
            .map_err(fail)?;
        if prepared.parameter_count() != params.len() {
            let detail = format!(
                "{} parameters wanted, {} given",
                prepared.parameter_count(),
                params.len()
            );
            return Err(StoreError::refused(statement.name, detail));
        }
        for (index, param) in params.iter().enumerate() {
            prepared
                .raw_bind_parameter(index + 1, param)
                .map_err(fail)?;
        }
        Ok(prepared)
    }
}

impl ToSql for Param {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Int(value) => value.map_or(ValueRef::Null, ValueRef::Integer),
            Self::Real(value) => value.map_or(ValueRef::Null, ValueRef::Real),
            Self::Bool(value) => {
                value.map_or(ValueRef::Null, |value| ValueRef::Integer(value.into()))
            }
            Self::Text(value) => value
                .as_ref()
                .map_or(ValueRef::Null, |value| ValueRef::Text(value.as_bytes())),
            Self::Bytes(value) => value
                .as_ref()
                .map_or(ValueRef::Null, |value| ValueRef::Blob(value)),
            Self::IntArray(_) | Self::TextArray(_) | Self::BytesArray(_) | Self::BoolArray(_) => {
                let error = "arrays exist on Postgres only";
                return Err(rusqlite::Error::ToSqlConversionFailure(error.into()));
            }
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

fn value(
    value: ValueRef<'_>,
    statement: &'static Statement,
    column: usize,
) -> Result<Value, StoreError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| StoreError::Column {
                statement: statement.name,
                column,
            })?;
            Value::Text(text.to_owned())
        }
        ValueRef::Blob(bytes) => Value::Bytes(Bytes::copy_from_slice(bytes)),
    })
}

/// Names an error of SQLite.
pub(super) fn error_of(statement: &'static str, error: &rusqlite::Error) -> StoreError {
    let failure = error.sqlite_error();
    let extended = failure.map_or(0, |failure| failure.extended_code);
    match failure.map(|failure| failure.code) {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::DatabaseBusy
            | ErrorCode::NotADatabase,
        ) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Database {
            statement,
            detail: error.to_string(),
            unique_violation: extended == ffi::SQLITE_CONSTRAINT_UNIQUE
                || extended == ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
            transient: false,
        },
    }
}
