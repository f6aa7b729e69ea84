//! Where the instance key comes from, and what happens without it.

use std::os::unix::fs::PermissionsExt;

use base64::{Engine, prelude::BASE64_STANDARD};
use tenon_core::Secret;
use tenon_store::{Statement, Store, StoreError, StoreOptions, parse_instance_key};
use tenon_testkit::{TestStore, store_test};

static VALUES: Statement =
    Statement::new("VALUES", "SELECT name, value FROM instance ORDER BY name");

async fn values(store: &Store) -> Vec<(String, bytes::Bytes)> {
    let rows = store.reader().query(&VALUES, &[]).await.unwrap();
    rows.iter()
        .map(|row| (row.get(0).unwrap(), row.get(1).unwrap()))
        .collect()
}

async fn refusal(options: StoreOptions) -> String {
    match Store::open(options).await {
        Err(StoreError::Key(sentence)) => sentence,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it opened"),
    }
}

store_test! {
    async fn faults_17_a_wrong_or_missing_key_opens_nothing_and_touches_nothing(mut test: TestStore) {
        let before = values(&test.store).await;
        assert_eq!(before.len(), 2);
        test.store.close().await;
        let files = test.folder().map(contents);
        let key_file = tempfile::tempdir().unwrap().keep().join("instance.key");

        let mut options = test.options.clone();
        options.instance_key = Some(Secret::new([8; 32]));
        let sentence = refusal(options.clone()).await;
        assert!(sentence.contains("does not fit"), "{sentence}");
        assert!(sentence.contains("TENON_ENCRYPTION_KEY"), "{sentence}");

        options.instance_key = None;
        let sentence = refusal(options.clone()).await;
        assert!(sentence.contains("missing"), "{sentence}");

        options.key_file = Some(key_file.clone());
        let sentence = refusal(options.clone()).await;
        assert!(sentence.contains(&key_file.display().to_string()), "{sentence}");
        assert!(!key_file.exists(), "a key was made for a database with content");

        assert!(test.folder().map(contents) == files, "a file has changed");
        test.reopen().await;
        assert_eq!(values(&test.store).await, before);
    }

    async fn a_key_in_the_file_opens_as_well_as_a_given_one(test: TestStore) {
        test.store.close().await;
        let folder = tempfile::tempdir().unwrap();
        let mut options = test.options.clone();
        options.instance_key = None;
        options.key_file = Some(folder.path().join("instance.key"));
        let text = BASE64_STANDARD.encode([7; 32]);
        std::fs::write(folder.path().join("instance.key"), format!("{text}\n")).unwrap();
        let store = Store::open(options).await.unwrap();
        assert_eq!(values(&store).await.len(), 2);
    }
}

/// Names and contents of the files of a data directory. SQLite's shared memory file holds no data and is left out.
fn contents(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .filter(|(name, content)| !content.is_empty() && !name.ends_with("-shm"))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn an_empty_database_makes_a_key_file_that_only_its_owner_reads() {
    let test = TestStore::sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = test.options.clone();
    options.url = tenon_store::DatabaseUrl::Sqlite(folder.path().join("data/tenon.db"));
    options.instance_key = None;
    let sentence = refusal(options.clone()).await;
    assert!(sentence.contains("needs an instance key"), "{sentence}");

    options.key_file = Some(folder.path().join("data/instance.key"));
    let store = Store::open(options.clone()).await.unwrap();
    let hash = store.index_hash("a", b"b");
    store.close().await;
    let file = folder.path().join("data/instance.key");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = parse_instance_key(&std::fs::read_to_string(&file).unwrap()).unwrap();

    let store = Store::open(options.clone()).await.unwrap();
    assert_eq!(store.index_hash("a", b"b"), hash);
    store.close().await;

    // A data directory that moves without its key file: the key can be given instead.
    std::fs::remove_file(&file).unwrap();
    let sentence = refusal(options.clone()).await;
    assert!(sentence.contains("missing"), "{sentence}");
    options.instance_key = Some(key);
    let store = Store::open(options).await.unwrap();
    assert_eq!(store.index_hash("a", b"b"), hash);
    assert!(!file.exists());
}

#[tokio::test]
async fn of_two_nodes_that_race_for_an_empty_database_one_makes_the_key() {
    let Some(test) = TestStore::postgres().await else {
        return;
    };
    let (client, connection) =
        tokio_postgres::connect(test.database_url().unwrap(), tokio_postgres::NoTls)
            .await
            .unwrap();
    tokio::spawn(connection);
    client
        .batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        .await
        .unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let open = |index: usize| {
        let mut options = test.options.clone();
        options.instance_key = None;
        options.key_file = Some(folders[index].path().join("instance.key"));
        Store::open(options)
    };
    let (first, second) = tokio::join!(open(0), open(1));
    let made: Vec<bool> = folders
        .iter()
        .map(|folder| folder.path().join("instance.key").exists())
        .collect();
    assert_eq!(made, [first.is_ok(), second.is_ok()]);
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    let loser = first.err().or_else(|| second.err());
    assert!(matches!(loser, Some(StoreError::Key(_))), "{loser:?}");
}

#[test]
fn a_key_is_32_bytes_in_base64() {
    let text = BASE64_STANDARD.encode([3; 32]);
    assert_eq!(*parse_instance_key(&text).unwrap().expose(), [3; 32]);
    for wrong in ["", "abc", "%%%", &BASE64_STANDARD.encode([3; 31])] {
        let error = parse_instance_key(wrong).unwrap_err();
        assert!(!error.to_string().contains(wrong) || wrong.is_empty());
    }
}
