//! Keys are replaced while everything stays readable.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use tenon_core::{Clock, Secret, Timestamp, names::EnvironmentPk};
use tenon_store::{
    Store, StoreError, StoreOptions,
    environments::{ApiKeyRow, EnvironmentRow, FunctionSettingsRow, WebhookSettingsRow},
    rotation::{Rotation, Step, sealed_columns},
};
use tenon_testkit::{TestStore, store_test};

const NODE: &str = "node";
const OLD: [u8; 32] = [7; 32];
const NEW: [u8; 32] = [9; 32];

fn row(pk: i64) -> EnvironmentRow {
    EnvironmentRow {
        pk: EnvironmentPk(pk),
        uuid: format!("uuid {pk}"),
        name: format!("environment {pk}"),
        public_key: format!("public {pk}"),
        webhook_signing_key: Secret::new(format!("signing {pk}")),
        hmac_key: None,
        hmac_enabled: false,
        public_key_auth: "open".to_owned(),
        callback_url: None,
        webhooks: WebhookSettingsRow {
            primary_url: None,
            secondary_url: None,
            on_sync_completion_always: false,
            on_auth_creation: false,
            on_auth_refresh_error: false,
            on_sync_error: false,
            on_async_action_completion: false,
        },
        functions: FunctionSettingsRow::default(),
    }
}

/// Environments 1 to `count`, each with some API keys.
async fn fill(store: &Store, count: i64, keys: i64) {
    let filled = store.write(move |tx| async move {
        for pk in 1..=count {
            tx.insert_environment(&row(pk), Timestamp::from_secs(1))
                .await?;
            for key in 0..keys {
                insert_key(&tx, pk, pk * 10_000 + key).await?;
            }
        }
        Ok::<_, StoreError>(())
    });
    filled.await.unwrap();
}

async fn insert_key(tx: &tenon_store::Tx, environment: i64, pk: i64) -> Result<(), StoreError> {
    let key = ApiKeyRow {
        pk,
        name: "k".to_owned(),
        key: Secret::new(format!("secret {pk}")),
        scopes: "[]".to_owned(),
    };
    let mut lookup = [0; 32];
    lookup[..8].copy_from_slice(&pk.to_be_bytes());
    tx.insert_api_key(
        EnvironmentPk(environment),
        &key,
        lookup,
        Timestamp::from_secs(1),
    )
    .await
}

/// Everything opens and is what it was.
async fn all_opens(store: &Store, count: i64, keys: usize) {
    let reader = store.reader();
    let environments = reader.list_environments().await.unwrap();
    assert_eq!(environments.len(), usize::try_from(count).unwrap());
    for environment in environments {
        let pk = environment.pk.0;
        assert_eq!(
            *environment.webhook_signing_key.expose(),
            format!("signing {pk}")
        );
        let listed = reader.list_api_keys(environment.pk).await.unwrap();
        assert_eq!(listed.len(), keys);
        for key in listed {
            assert_eq!(*key.key.expose(), format!("secret {}", key.pk));
        }
    }
}

async fn step(test: &TestStore, rotation: &Rotation, limit: i64) -> Step {
    let (pk, now) = (rotation.pk, test.clock.now());
    let held = test
        .store
        .write(move |tx| async move { tx.hold_rotation(pk, NODE, now).await });
    match held.await.unwrap() {
        None => Step::Lost,
        Some(held) => test
            .store
            .advance_rotation(&held, NODE, limit, now)
            .await
            .unwrap(),
    }
}

/// Works until it is done; on Postgres time has to pass.
async fn finish(test: &TestStore, rotation: &Rotation) {
    for _ in 0..10_000 {
        match step(test, rotation, 7).await {
            Step::Done => return,
            Step::PassEnded => test.clock.advance(Duration::from_secs(31)),
            Step::Moved(_) => {}
            Step::Lost => panic!("nobody else works on it"),
        }
    }
    panic!("it does not end");
}

async fn begin(test: &TestStore, environment: i64) -> Rotation {
    let (pk, now) = (test.ids.int(), test.clock.now());
    let begun = test.store.write(move |tx| async move {
        tx.begin_data_key_rotation(EnvironmentPk(environment), pk, now)
            .await
    });
    begun.await.unwrap().unwrap()
}

async fn reopen_with(test: &mut TestStore, keys: &[[u8; 32]]) {
    let (first, others) = keys.split_first().unwrap();
    test.options = StoreOptions {
        instance_key: Some(Secret::new(*first)),
        previous_keys: others.iter().copied().map(Secret::new).collect(),
        ..test.options.clone()
    };
    test.reopen().await;
}

store_test! {
    async fn faults_18_a_data_key_is_replaced_under_way_and_after_a_crash(mut test: TestStore) {
        fill(&test.store, 2, 40).await;
        let old = test.store.data_key_report(EnvironmentPk(1), true).await.unwrap();
        assert_eq!((old.len(), old[0].rows), (1, Some(41)));
        let rotation = begin(&test, 1).await;
        assert!(rotation.is_running);

        // Killed half-way: both keys are readable, new values are under the new one.
        assert_eq!(step(&test, &rotation, 7).await, Step::Moved(1));
        while step(&test, &rotation, 7).await != Step::Moved(7) {}
        test.reopen().await;
        all_opens(&test.store, 2, 40).await;
        let written = test.store.write(|tx| async move { insert_key(&tx, 1, 19_999).await });
        written.await.unwrap();
        let report = test.store.data_key_report(EnvironmentPk(1), true).await.unwrap();
        let rows: Vec<i64> = report.iter().map(|key| key.rows.unwrap()).collect();
        assert_eq!(rows.iter().sum::<i64>(), 42);
        assert!(rows[0] > 0 && rows[1] >= 9, "{rows:?}");

        finish(&test, &rotation).await;
        let report = test.store.data_key_report(EnvironmentPk(1), true).await.unwrap();
        let rows: Vec<_> = report.iter().map(|key| (key.rows.unwrap(), key.is_current)).collect();
        assert_eq!(rows, [(0, false), (42, true)]);
        let done = test.store.reader().latest_rotations(9).await.unwrap();
        assert_eq!((done[0].is_running, done[0].moved, done[0].unreadable), (false, 41, 0));
        let other = test.store.data_key_report(EnvironmentPk(2), true).await.unwrap();
        assert_eq!(other.len(), 1, "another environment keeps its key");
        test.reopen().await;
        assert_eq!(test.store.reader().list_api_keys(EnvironmentPk(1)).await.unwrap().len(), 41);
    }

    async fn one_rotation_of_a_key_runs_at_a_time(test: TestStore) {
        fill(&test.store, 1, 1).await;
        let first = begin(&test, 1).await;
        let now = test.clock.now();
        let second = test.store.write(move |tx| async move {
            tx.begin_data_key_rotation(EnvironmentPk(1), 5, now).await
        });
        assert_eq!(second.await.unwrap(), None);
        let keys = test.store.data_key_report(EnvironmentPk(1), false).await.unwrap();
        assert_eq!(keys.len(), 2, "the refused one made no key");
        finish(&test, &first).await;
        let third = begin(&test, 1).await;
        finish(&test, &third).await;
        all_opens(&test.store, 1, 1).await;
    }

    async fn a_node_that_works_on_a_rotation_keeps_others_off_until_it_is_silent(test: TestStore) {
        fill(&test.store, 1, 1).await;
        let rotation = begin(&test, 1).await;
        let hold = |node: &'static str, now| {
            let (store, pk) = (test.store.clone(), rotation.pk);
            async move {
                let held = store.write(move |tx| async move { tx.hold_rotation(pk, node, now).await });
                held.await.unwrap().is_some()
            }
        };
        let now = test.clock.now();
        assert!(hold("a", now).await);
        assert!(!hold("b", now).await);
        assert!(hold("b", now.plus(Duration::from_secs(31))).await);
        assert!(!hold("a", now.plus(Duration::from_secs(32))).await);
    }

    async fn what_no_key_opens_is_counted_and_left_alone(test: TestStore) {
        fill(&test.store, 1, 3).await;
        static BREAK: tenon_store::Statement =
            tenon_store::Statement::new("BREAK", "UPDATE api_key SET sealed = $1 WHERE pk = 10001");
        let broken = Bytes::from(vec![1; 60]);
        let written = broken.clone();
        let done = test.store.write(move |tx| async move {
            tx.execute(&BREAK, tenon_store::params![written]).await
        });
        done.await.unwrap();
        let rotation = begin(&test, 1).await;
        finish(&test, &rotation).await;
        let done = test.store.reader().latest_rotations(1).await.unwrap();
        assert_eq!((done[0].moved, done[0].unreadable), (3, 1));
    }

    async fn faults_18_the_instance_key_is_replaced_and_either_key_opens_everything_meanwhile(mut test: TestStore) {
        fill(&test.store, 20, 2).await;
        let hash = test.store.index_hash("a", b"b");
        let before = test.store.instance_key_report().await.unwrap();
        assert_eq!((before.len(), before[0].rows), (1, Some(22)));

        // The new key is given, the one in force stands beside it.
        reopen_with(&mut test, &[NEW, OLD]).await;
        let rotation = test.store.begin_instance_rotation(5, test.clock.now()).await.unwrap().unwrap();
        assert_eq!(step(&test, &rotation, 6).await, Step::Moved(6));
        for keys in [vec![OLD], vec![NEW], vec![NEW, OLD]] {
            reopen_with(&mut test, &keys).await;
            all_opens(&test.store, 20, 2).await;
            assert_eq!(test.store.index_hash("a", b"b"), hash, "the index key survives");
        }
        let report = test.store.instance_key_report().await.unwrap();
        assert_eq!(report.len(), 2);
        assert!(report.iter().all(|key| key.rows > Some(0) && key.is_known));

        finish(&test, &rotation).await;
        let report = test.store.instance_key_report().await.unwrap();
        let rows: Vec<_> = report.iter().map(|key| (key.rows.unwrap(), key.is_current)).collect();
        assert_eq!(rows, [(22, true), (0, false)], "zero rows on the old key");
        reopen_with(&mut test, &[NEW]).await;
        all_opens(&test.store, 20, 2).await;
        assert_eq!(test.store.index_hash("a", b"b"), hash);
        let again = test.store.begin_instance_rotation(6, test.clock.now()).await;
        let Err(StoreError::Key(sentence)) = again else { panic!("there is no new key") };
        assert!(sentence.contains("previous_encryption_keys"), "{sentence}");

        test.store.close().await;
        let mut options = test.options.clone();
        options.instance_key = Some(Secret::new(OLD));
        let refused = Store::open(options).await.err().unwrap().to_string();
        assert!(refused.contains(&report[0].id), "{refused}");
    }

    async fn a_key_file_gets_the_new_key_before_the_database(mut test: TestStore) {
        fill(&test.store, 2, 1).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("instance.key");
        std::fs::write(&file, BASE64_STANDARD.encode(OLD)).unwrap();
        test.options.instance_key = None;
        test.options.key_file = Some(file.clone());
        test.reopen().await;
        let rotation = test.store.begin_instance_rotation(5, test.clock.now()).await.unwrap().unwrap();
        assert!(test.store.begin_instance_rotation(6, test.clock.now()).await.unwrap().is_none());
        let keys = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(keys(&std::fs::read_to_string(&file).unwrap()), 2);
        test.reopen().await;
        finish(&test, &rotation).await;
        test.reopen().await;
        all_opens(&test.store, 2, 1).await;
        let report = test.store.instance_key_report().await.unwrap();
        assert_eq!(report.iter().find(|key| key.is_current).unwrap().rows, Some(4));
    }
}

#[tokio::test]
async fn a_node_learns_the_new_key_from_the_database() {
    let Some(test) = TestStore::postgres().await else {
        return;
    };
    fill(&test.store, 1, 1).await;
    // This node has only the old key; the other one is told the new one.
    let mut options = test.options.clone();
    options.instance_key = Some(Secret::new(NEW));
    options.previous_keys = vec![Secret::new(OLD)];
    let other = Store::open(options).await.unwrap();
    let begun = other.begin_instance_rotation(5, test.clock.now()).await;
    let rotation = begun.unwrap().unwrap();
    let made = other.write(|tx| async move {
        tx.insert_environment(&row(2), Timestamp::from_secs(1))
            .await?;
        insert_key(&tx, 2, 20_000).await
    });
    made.await.unwrap();
    test.store.learn_instance_keys().await.unwrap();
    finish(&test, &rotation).await;
    all_opens(&test.store, 2, 1).await;
    // A data key of this node goes under the new instance key, too.
    let made = test.store.write(|tx| async move {
        tx.insert_environment(&row(3), Timestamp::from_secs(1))
            .await?;
        insert_key(&tx, 3, 30_000).await
    });
    made.await.unwrap();
    let report = other.instance_key_report().await.unwrap();
    assert_eq!((report[0].is_current, report[0].rows), (true, Some(5)));
    assert_eq!(report[1].rows, Some(0));
}

#[tokio::test]
async fn a_node_that_seals_notices_a_new_data_key_of_another_node() {
    let Some(test) = TestStore::postgres().await else {
        return;
    };
    fill(&test.store, 1, 1).await;
    let other = Store::open(test.options.clone()).await.unwrap();
    let used = other.write(|tx| async move { insert_key(&tx, 1, 11_000).await });
    used.await.unwrap();
    let rotation = begin(&test, 1).await;
    test.clock.advance(Duration::from_secs(6));
    let used = other.write(|tx| async move { insert_key(&tx, 1, 11_001).await });
    used.await.unwrap();
    let report = test
        .store
        .data_key_report(EnvironmentPk(1), true)
        .await
        .unwrap();
    let rows: Vec<_> = report.iter().map(|key| key.rows.unwrap()).collect();
    assert_eq!(rows, [3, 1]);
    finish(&test, &rotation).await;
    let report = test
        .store
        .data_key_report(EnvironmentPk(1), true)
        .await
        .unwrap();
    let rows: Vec<_> = report.iter().map(|key| key.rows.unwrap()).collect();
    assert_eq!(rows, [0, 4]);
}

/// Columns of bytes that hold no sealed values of an environment.
const NOT_SEALED: &[(&str, &str)] = &[
    ("api_key", "lookup"),
    ("connect_session", "lookup"),
    ("data_key", "wrapped"),
    ("instance", "value"),
    ("pending_auth", "lookup"),
    ("person_session", "lookup"),
    ("record", "hash"),
    ("record", "id"),
    ("record_seen", "ids"),
    ("refresh_lease", "intent_fingerprint"),
    ("setup_link", "lookup"),
];

#[tokio::test]
async fn no_sealed_column_is_forgotten() {
    let test = TestStore::sqlite().await;
    let path = test.folder().unwrap().join("tenon.db");
    test.store.close().await;
    let database = rusqlite::Connection::open(path).unwrap();
    let mut prepared = database
        .prepare(
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
             WHERE m.type = 'table' AND upper(c.type) = 'BLOB'",
        )
        .unwrap();
    let rows = prepared.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let found: BTreeSet<(String, String)> = rows.unwrap().map(Result::unwrap).collect();
    let known: BTreeSet<(String, String)> = sealed_columns()
        .chain(NOT_SEALED.iter().copied())
        .map(|(table, column)| (table.to_owned(), column.to_owned()))
        .collect();
    assert_eq!(
        found, known,
        "a new column of bytes stands in rotation/places.rs if it is sealed, or in NOT_SEALED"
    );
}
