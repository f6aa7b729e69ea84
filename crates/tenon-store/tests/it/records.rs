//! Records as rows: what a crash leaves, what a look-up costs.

use std::path::Path;

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    function::RecordCounts,
    names::{ConnectionPk, EnvironmentPk, SyncPk},
};
use tenon_store::{
    DatabaseUrl, Statement, Store, StoreError, StoreOptions, Tx, params,
    records::{ModelKey, NewRow, Probed},
    registered,
};
use tenon_testkit::{TestStore, store_test};
use uuid::Uuid;

const SYNC: SyncPk = SyncPk(1);

static SUMMARY: Statement = Statement::new(
    "SUMMARY",
    "SELECT (SELECT COUNT(*) FROM record), (SELECT COALESCE(SUM(added), 0) FROM unannounced),
        (SELECT COUNT(*) FROM checkpoint WHERE value IS NOT NULL)",
);

fn key() -> ModelKey {
    ModelKey {
        environment: EnvironmentPk(1),
        connection: ConnectionPk(1),
        model: "Item".to_owned(),
    }
}

/// A part of a batch.
async fn put(tx: &Tx, from: u128, to: u128) -> Result<Timestamp, StoreError> {
    let head = tx.take_head(&key(), SYNC, Timestamp::from_secs(1)).await?;
    let ids: Vec<String> = (from..to).map(|number| number.to_string()).collect();
    let rows: Vec<NewRow<'_>> = ids
        .iter()
        .zip(from..to)
        .map(|(external_id, number)| NewRow {
            external_id,
            id: Uuid::from_u128(number),
            hash: [1; 16],
            payload: Bytes::from_static(b"sealed"),
            size_bytes: 6,
            created_at: head.at,
            updated_at: head.at,
            deleted_at: None,
        })
        .collect();
    tx.put_records(&key(), SYNC, &rows).await?;
    let counts = RecordCounts {
        added: rows.len() as u64,
        ..RecordCounts::default()
    };
    tx.add_unannounced(SYNC, "Item", counts, head.at).await?;
    Ok(head.at)
}

/// The files of a data directory as a process killed at this moment leaves them.
fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        // Shared memory is no file that a crash leaves anything in: it is made anew from the log.
        if !name.to_str().unwrap().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// Records, announced additions and checkpoints in a copy of a data directory.
async fn summary(options: &StoreOptions, folder: &Path) -> (i64, i64, i64) {
    let store = Store::open(StoreOptions {
        url: DatabaseUrl::Sqlite(folder.join("tenon.db")),
        ..options.clone()
    })
    .await
    .unwrap();
    let row = store.reader().get(&SUMMARY, &[]).await.unwrap();
    store.close().await;
    (
        row.get(0).unwrap(),
        row.get(1).unwrap(),
        row.get(2).unwrap(),
    )
}

#[tokio::test]
async fn faults_1_a_crash_in_the_middle_of_a_batch_leaves_none_of_it() {
    let test = TestStore::sqlite().await;
    let folder = test.folder().unwrap().to_owned();
    let (before, middle, after) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let first = test.store.write(|tx| async move { put(&tx, 0, 10).await });
    first.await.unwrap();
    copy_files(&folder, before.path());

    let (from, to) = (folder.clone(), middle.path().to_owned());
    let batch = test.store.write(move |tx| async move {
        put(&tx, 10, 510).await?;
        copy_files(&from, &to);
        put(&tx, 510, 1_010).await
    });
    batch.await.unwrap();
    copy_files(&folder, after.path());

    assert_eq!(summary(&test.options, before.path()).await, (10, 10, 0));
    assert_eq!(summary(&test.options, middle.path()).await, (10, 10, 0));
    assert_eq!(
        summary(&test.options, after.path()).await,
        (1_010, 1_010, 0)
    );
}

#[tokio::test]
async fn faults_3_a_crash_never_leaves_a_checkpoint_ahead_of_its_records() {
    let test = TestStore::sqlite().await;
    let folder = test.folder().unwrap().to_owned();
    for page in 1..=20_u128 {
        let records = test
            .store
            .write(move |tx| async move { put(&tx, page * 10, page * 10 + 10).await });
        records.await.unwrap();
        let (from, copy) = (folder.clone(), tempfile::tempdir().unwrap());
        let to = copy.path().to_owned();
        let name = page.to_string();
        let checkpoint = test.store.write(move |tx| async move {
            let now = Timestamp::from_secs(1);
            let put = tx.put_checkpoint(ConnectionPk(1), &name, Some("{}"), 0, now);
            assert_eq!(put.await?, Some(1));
            copy_files(&from, &to);
            Ok::<_, StoreError>(())
        });
        checkpoint.await.unwrap();
        if page % 5 == 0 {
            let (records, _, checkpoints) = summary(&test.options, copy.path()).await;
            assert_eq!(records, i64::try_from(page * 10).unwrap());
            assert_eq!(checkpoints, i64::try_from(page - 1).unwrap());
        }
    }
}

/// Without statistics: as in the first minute of a new database.
#[tokio::test]
async fn look_ups_and_pages_use_their_indexes() {
    let test = TestStore::sqlite().await;
    let database = rusqlite::Connection::open(test.folder().unwrap().join("tenon.db")).unwrap();
    let expected = [
        ("PROBE", "sqlite_autoindex_record_1"),
        ("BY_IDS", "sqlite_autoindex_record_1"),
        ("PAGE", "record_changes"),
        ("LAST", "record_changes"),
        ("OLDEST_AFTER", "record_changes"),
        ("DUE", "model_head_check"),
    ];
    for (name, index) in expected {
        let module = "tenon_store::records::";
        let statement = registered()
            .find(|known| {
                known.name.starts_with(module) && known.name.ends_with(&format!("::{name}"))
            })
            .unwrap();
        let plan = plan_of(&database, statement.sqlite_text());
        assert!(
            plan.contains(index) && !plan.contains("TEMP B-TREE"),
            "{name}: {plan}"
        );
    }
}

pub(crate) fn plan_of(database: &rusqlite::Connection, text: &str) -> String {
    let mut prepared = database
        .prepare(&format!("EXPLAIN QUERY PLAN {text}"))
        .unwrap();
    let mut rows = prepared.raw_query();
    let mut plan = String::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push_str(&row.get::<_, String>(3).unwrap());
        plan.push('\n');
    }
    plan
}

#[tokio::test]
async fn a_fresh_postgres_looks_records_up_by_key() {
    let Some(test) = TestStore::postgres().await else {
        return;
    };
    let (client, connection) =
        tokio_postgres::connect(test.database_url().unwrap(), tokio_postgres::NoTls)
            .await
            .unwrap();
    tokio::spawn(connection);
    client
        .batch_execute("ALTER TABLE record SET (autovacuum_enabled = false)")
        .await
        .unwrap();
    let filled = test
        .store
        .write(|tx| async move { put(&tx, 0, 5_000).await });
    filled.await.unwrap();
    let text = "EXPLAIN SELECT batch.place FROM UNNEST(ARRAY['7', '8']) WITH ORDINALITY AS batch (external_id, place)
        CROSS JOIN LATERAL (SELECT hash FROM record
            WHERE connection_pk = 1 AND model = 'Item' AND external_id = batch.external_id LIMIT 1) AS stored";
    let rows = client.query(text, &[]).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(
        plan.contains("record_pkey") && !plan.contains("Seq Scan on record"),
        "{plan}"
    );
    let rows = test
        .store
        .reader()
        .query(&SUMMARY, params![])
        .await
        .unwrap();
    assert_eq!(rows[0].get::<i64>(0).unwrap(), 5_000);
}

store_test! {
    async fn a_batch_finds_what_is_absent_the_same_and_other(test: TestStore) {
        let found = test.store.write(|tx| async move {
            let at = put(&tx, 0, 5).await?;
            tx.delete_records(&key(), &["1".to_owned()], at).await?;
            tx.prune_records(&key(), (at, Uuid::from_u128(0)), 1, at).await?;
            let ids = ["4", "nobody", "0", "1", "3", "2"];
            let same = [1; 16];
            let hashes = [same, same, same, same, [2; 16], same];
            let found = tx.probe_records(&key(), &ids, Some(&hashes)).await?;
            let blind = tx.probe_records(&key(), &ids, None).await?;
            Ok::<_, StoreError>((found, blind))
        });
        let (found, blind) = found.await.unwrap();
        let words = |found: &[Probed]| -> Vec<&str> {
            let word = |probed: &Probed| match probed {
                Probed::Absent => "absent",
                Probed::Same => "same",
                Probed::Stored(stored) if stored.deleted_at.is_some() => "deleted",
                Probed::Stored(stored) if stored.is_pruned => "pruned",
                Probed::Stored(_) => "stored",
            };
            found.iter().map(word).collect()
        };
        assert_eq!(words(&found), ["same", "absent", "pruned", "deleted", "stored", "same"]);
        assert_eq!(words(&blind), ["stored", "absent", "pruned", "deleted", "stored", "stored"]);
        let Probed::Stored(stored) = &found[4] else { panic!("{found:?}") };
        assert_eq!((stored.hash, stored.size_bytes), ([1; 16], 6));
    }
}
