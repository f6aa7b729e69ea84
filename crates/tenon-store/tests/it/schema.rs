//! One schema, two databases; every statement prepares on both.

use std::collections::{BTreeMap, BTreeSet};

use tenon_store::registered;
use tenon_testkit::TestStore;
use tokio_postgres::{error::SqlState, types::Type};

/// Columns of a table: name, kind, whether a value is required.
type Columns = Vec<(String, &'static str, bool)>;

#[derive(Debug, Default, PartialEq)]
struct Schema {
    tables: BTreeMap<String, Columns>,
    /// Table, columns of each primary key or unique constraint or index, unique or not, with condition or without.
    indexes: BTreeSet<(String, Vec<String>, bool, bool)>,
    names: BTreeSet<String>,
}

fn kind(declared: &str) -> &'static str {
    match declared.to_ascii_lowercase().as_str() {
        "integer" | "bigint" => "integer",
        "text" => "text",
        "blob" | "bytea" => "bytes",
        "boolean" => "boolean",
        "real" | "double precision" => "real",
        other => panic!("a type that nobody planned: {other}"),
    }
}

fn sqlite_schema(path: &std::path::Path) -> Schema {
    let database = rusqlite::Connection::open(path).unwrap();
    let list = |text: &str| -> Vec<String> {
        let mut prepared = database.prepare(text).unwrap();
        let rows = prepared.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut schema = Schema::default();
    for table in list("SELECT name FROM sqlite_master WHERE type = 'table'") {
        let mut columns = database
            .prepare(&format!(
                "SELECT name, type, \"notnull\" OR pk > 0, pk FROM pragma_table_info('{table}') ORDER BY name"
            ))
            .unwrap();
        let columns: Vec<(String, String, bool, i64)> = columns
            .query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let mut key: Vec<_> = columns.iter().filter(|column| column.3 > 0).collect();
        key.sort_by_key(|column| column.3);
        let key = key.iter().map(|column| column.0.clone()).collect();
        schema.indexes.insert((table.clone(), key, true, false));
        let columns = columns
            .into_iter()
            .map(|(name, declared, required, _)| (name, kind(&declared), required))
            .collect();
        let mut indexes = database
            .prepare(&format!(
                "SELECT name, \"unique\", partial FROM pragma_index_list('{table}')"
            ))
            .unwrap();
        let indexes: Vec<(String, bool, bool)> = indexes
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for (name, unique, partial) in indexes {
            let columns = list(&format!(
                "SELECT name FROM pragma_index_info('{name}') ORDER BY seqno"
            ));
            if !name.starts_with("sqlite_") {
                schema.names.insert(name);
            }
            schema
                .indexes
                .insert((table.clone(), columns, unique, partial));
        }
        schema.tables.insert(table, columns);
    }
    schema
}

async fn postgres_schema(url: &str) -> Schema {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut schema = Schema::default();
    let columns = client
        .query(
            "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'NO'
             FROM information_schema.columns WHERE table_schema = 'public'
             ORDER BY table_name, column_name COLLATE \"C\"",
            &[],
        )
        .await
        .unwrap();
    for row in columns {
        let column = (row.get(1), kind(row.get(2)), row.get(3));
        schema.tables.entry(row.get(0)).or_default().push(column);
    }
    let indexes = client
        .query(
            "SELECT t.relname::text, i.relname::text, x.indisunique, x.indpred IS NOT NULL, x.indisprimary OR c.oid IS NOT NULL,
                ARRAY(SELECT a.attname::text FROM UNNEST(x.indkey) WITH ORDINALITY AS k (attnum, place)
                      JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum ORDER BY k.place)
             FROM pg_index x
             JOIN pg_class i ON i.oid = x.indexrelid
             JOIN pg_class t ON t.oid = x.indrelid
             JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
             LEFT JOIN pg_constraint c ON c.conindid = x.indexrelid AND c.contype IN ('p', 'u')
             WHERE NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = i.oid)",
            &[],
        )
        .await
        .unwrap();
    for row in indexes {
        if !row.get::<_, bool>(4) {
            schema.names.insert(row.get(1));
        }
        schema
            .indexes
            .insert((row.get(0), row.get(5), row.get(2), row.get(3)));
    }
    schema
}

#[tokio::test]
async fn both_databases_have_the_same_schema() {
    let sqlite = TestStore::sqlite().await;
    let Some(postgres) = TestStore::postgres().await else {
        return;
    };
    let ours = sqlite_schema(&sqlite.folder().unwrap().join("tenon.db"));
    let theirs = postgres_schema(postgres.database_url().unwrap()).await;
    assert!(ours.tables.len() > 20);
    assert_eq!(ours.tables, theirs.tables);
    assert_eq!(ours.indexes, theirs.indexes);
    assert_eq!(ours.names, theirs.names);
}

#[tokio::test]
async fn every_statement_prepares_on_sqlite() {
    let test = TestStore::sqlite().await;
    let database = rusqlite::Connection::open(test.folder().unwrap().join("tenon.db")).unwrap();
    let mut prepared = 0;
    for statement in registered() {
        if let Err(error) = database.prepare(statement.sqlite_text()) {
            panic!("{}: {error}", statement.name);
        }
        prepared += 1;
    }
    assert!(prepared > 10);
}

#[tokio::test]
async fn every_statement_prepares_on_postgres() {
    let Some(test) = TestStore::postgres().await else {
        return;
    };
    let (client, connection) =
        tokio_postgres::connect(test.database_url().unwrap(), tokio_postgres::NoTls)
            .await
            .unwrap();
    tokio::spawn(connection);
    for statement in registered() {
        if let Err(detail) = prepare(&client, statement.text).await {
            panic!("{}: {detail}", statement.name);
        }
    }
}

/// Prepares a text. Values bring their types with them, so a parameter whose type does not follow from the text is no
/// fault; it is taken for a text or a number then.
async fn prepare(client: &tokio_postgres::Client, text: &str) -> Result<(), String> {
    for kind in [Type::TEXT, Type::INT8, Type::BOOL] {
        let mut types = Vec::new();
        loop {
            let Err(error) = client.prepare_typed(text, &types).await else {
                return Ok(());
            };
            let Some(refusal) = error.as_db_error() else {
                return Err(error.to_string());
            };
            let undetermined = (*refusal.code() == SqlState::INDETERMINATE_DATATYPE)
                .then(|| refusal.message().rsplit_once('$'))
                .flatten()
                .and_then(|(_, number)| number.parse::<usize>().ok());
            match undetermined {
                Some(number)
                    if types
                        .get(number - 1)
                        .is_none_or(|known| *known == Type::UNKNOWN) =>
                {
                    types.resize(types.len().max(number), Type::UNKNOWN);
                    types[number - 1] = kind.clone();
                }
                _ if kind == Type::BOOL => return Err(refusal.to_string()),
                _ => break,
            }
        }
    }
    Ok(())
}
