//! Opening a data directory: lock, key, schema.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use rusqlite::{OpenFlags, config::DbConfig};

use super::connection::{Connection, error_of};
use crate::{
    Param, StoreError,
    instance_key::{ALL_VALUES, INSERT_VALUE, InstanceKeys, InstanceRows, KeySource},
    migrations::{self, Migration, VERSION_TABLE},
    params,
};

pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) keys: InstanceKeys,
    /// Held as long as the connection: one process per data directory.
    pub(super) lock: File,
}

pub(super) fn open(path: &Path, source: &KeySource) -> Result<Opened, StoreError> {
    let lock = lock(path)?;
    let existing = if path.exists() {
        unlock(path, source)?
    } else {
        create(path)?;
        None
    };
    let connection = Connection::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.run("PRAGMA journal_mode = WAL")?;
    connection.run("PRAGMA synchronous = FULL")?;
    connection.run("PRAGMA foreign_keys = ON")?;
    // A WAL that one huge transaction has blown up gives its space back.
    connection.run("PRAGMA journal_size_limit = 67108864")?;
    let keys = in_transaction(&connection, || {
        let keys = match existing {
            Some(keys) => keys,
            None => initialise(&connection, source)?,
        };
        migrate(&connection, source)?;
        Ok(keys)
    })?;
    Ok(Opened {
        connection,
        keys,
        lock,
    })
}

/// Takes the lock of the data directory, which ends with the file handle.
fn lock(path: &Path) -> Result<File, StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let unavailable = |error: std::io::Error| {
        StoreError::Unavailable(format!("cannot use `{}`: {error}", folder.display()))
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(unavailable)?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(folder.join("tenon.lock"))
        .map_err(unavailable)?;
    let taken = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    taken.map_err(|_| StoreError::Locked(folder.to_owned()))?;
    Ok(file)
}

/// Makes the file, readable by its owner only; SQLite gives its side files the same rights.
fn create(path: &Path) -> Result<(), StoreError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| StoreError::Unavailable(format!("`{}`: {error}", path.display())))
}

/// The keys of a database with content, `None` for an empty one. Changes nothing: a wrong key leaves the file as it is.
fn unlock(path: &Path, source: &KeySource) -> Result<Option<InstanceKeys>, StoreError> {
    let connection = Connection::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .0
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(|error| error_of("open", &error))?;
    if !has_table(&connection, "instance")? {
        return Ok(None);
    }
    let rows = connection.query(&ALL_VALUES, &[], usize::MAX)?;
    let rows: Result<InstanceRows, StoreError> = rows
        .iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?)))
        .collect();
    wait(source.unlock(&rows?)).map(Some)
}

/// A key service may have to be asked. This thread is one that may block.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(future)
}

fn has_table(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    let text = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";
    connection
        .0
        .query_row(text, [name], |row| row.get(0))
        .map_err(|error| error_of("schema", &error))
}

/// The first step of the schema, and the rows that prove the key, in the caller's transaction.
fn initialise(connection: &Connection, source: &KeySource) -> Result<InstanceKeys, StoreError> {
    connection.run(VERSION_TABLE)?;
    let Some(first) = migrations::pending(&[]).next() else {
        return Err(StoreError::refused("schema", "there is no schema"));
    };
    apply(connection, first, source)?;
    let instance = wait(source.create())?;
    for (name, value) in instance.rows {
        connection.execute(&INSERT_VALUE, params![name, value])?;
    }
    Ok(instance.keys)
}

fn migrate(connection: &Connection, source: &KeySource) -> Result<(), StoreError> {
    let rows = connection.query(&migrations::APPLIED, &[], usize::MAX)?;
    let applied: Result<Vec<String>, StoreError> = rows.iter().map(|row| row.get(0)).collect();
    for migration in migrations::pending(&applied?) {
        apply(connection, migration, source)?;
    }
    Ok(())
}

fn apply(
    connection: &Connection,
    migration: &Migration,
    source: &KeySource,
) -> Result<(), StoreError> {
    connection
        .0
        .execute_batch(migration.sqlite)
        .map_err(|error| StoreError::Migration {
            name: migration.name.to_owned(),
            detail: error.to_string(),
        })?;
    let applied = [Param::from(migration.name), Param::from(source.now)];
    connection.execute(&migrations::INSERT_APPLIED, &applied)?;
    Ok(())
}

fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.run("BEGIN IMMEDIATE")?;
    match work().and_then(|value| connection.run("COMMIT").map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) => {
            // A failed statement may have rolled back already; the first error is the one to tell.
            let _ = connection.run("ROLLBACK");
            Err(error)
        }
    }
}
