//! What a transaction promises.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::FutureExt;
use tenon_store::{Reader, Statement, Store, StoreError, Tx, params};
use tenon_testkit::{TestStore, store_test};

static INSERT: Statement = Statement::new(
    "INSERT",
    "INSERT INTO checkpoint (connection_pk, key, version, updated_at_us) VALUES ($1, $2, $3, 0)",
);
static COUNT: Statement = Statement::new(
    "COUNT",
    "SELECT COUNT(*), COALESCE(SUM(version), 0) FROM checkpoint",
);
static LIST: Statement = Statement::new(
    "LIST",
    "SELECT key FROM checkpoint WHERE connection_pk = $1 ORDER BY key",
);
static BROKEN: Statement = Statement::new("BROKEN", "SELECT nothing FROM nowhere");

async fn insert(tx: &Tx, key: i64) -> Result<(), StoreError> {
    tx.execute(&INSERT, params![key, "M", 10_i64]).await?;
    Ok(())
}

async fn count(reader: &Reader) -> (i64, i64) {
    let row = reader.get(&COUNT, &[]).await.unwrap();
    (row.get(0).unwrap(), row.get(1).unwrap())
}

async fn committed(store: &Store) -> i64 {
    count(&store.reader()).await.0
}

store_test! {
    async fn a_change_is_seen_within_and_after_its_transaction(test: TestStore) {
        let reader = test.store.reader();
        let within = test.store.write(|tx| async move {
            let touched = tx.execute(&INSERT, params![1_i64, "M", 5_i64]).await?;
            assert_eq!(touched, 1);
            tx.get(&COUNT, &[]).await?.get::<i64>(1)
        });
        assert_eq!(within.await.unwrap(), 5);
        assert_eq!(count(&reader).await, (1, 5));
    }

    async fn an_error_rolls_everything_back(test: TestStore) {
        let failed: Result<(), StoreError> = test.store.write(|tx| async move {
            insert(&tx, 1).await?;
            Err(StoreError::Missing { statement: "mine" })
        }).await;
        assert!(matches!(failed, Err(StoreError::Missing { statement: "mine" })));
        assert_eq!(committed(&test.store).await, 0);
    }

    async fn a_panic_rolls_back_and_reaches_the_caller(test: TestStore) {
        let store = test.store.clone();
        let write = store.write::<(), StoreError, _, _>(|tx| async move {
            insert(&tx, 1).await?;
            panic!("in the middle");
        });
        let caught = std::panic::AssertUnwindSafe(write).catch_unwind().await;
        assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "in the middle");

        test.store.write(|tx| async move { insert(&tx, 2).await }).await.unwrap();
        assert_eq!(committed(&test.store).await, 1);
    }

    async fn a_unique_violation_is_named_and_ends_the_transaction(test: TestStore) {
        test.store.write(|tx| async move { insert(&tx, 1).await }).await.unwrap();
        let clash = test.store.write(|tx| async move {
            insert(&tx, 2).await?;
            insert(&tx, 1).await
        }).await.unwrap_err();
        assert!(clash.is_unique_violation(), "{clash}");
        assert_eq!(committed(&test.store).await, 1);

        // Whoever swallows the error still loses the transaction, on both databases.
        let swallowed = test.store.write(|tx| async move {
            insert(&tx, 3).await?;
            assert!(insert(&tx, 1).await.is_err());
            assert!(insert(&tx, 4).await.is_err());
            Ok::<(), StoreError>(())
        }).await;
        assert!(swallowed.is_err());
        assert_eq!(committed(&test.store).await, 1);
    }

    async fn a_broken_statement_names_itself(test: TestStore) {
        let error = test.store.reader().query(&BROKEN, &[]).await.unwrap_err();
        assert!(matches!(error, StoreError::Database { statement: "BROKEN", .. }), "{error}");
    }

    async fn hooks_run_after_the_commit_only(test: TestStore) {
        let woken = Arc::new(AtomicUsize::new(0));
        let hook = woken.clone();
        let failed: Result<(), StoreError> = test.store.write(move |tx| async move {
            insert(&tx, 1).await?;
            tx.after_commit(move || { hook.fetch_add(1, Ordering::SeqCst); });
            Err(StoreError::Missing { statement: "mine" })
        }).await;
        assert!(failed.is_err());
        assert_eq!(woken.load(Ordering::SeqCst), 0);

        let hook = woken.clone();
        test.store.write(move |tx| async move {
            tx.after_commit(move || { hook.fetch_add(1, Ordering::SeqCst); });
            insert(&tx, 1).await
        }).await.unwrap();
        assert_eq!(woken.load(Ordering::SeqCst), 1);
    }

    async fn a_transaction_is_over_when_its_closure_ends(test: TestStore) {
        let leaked = test.store.write(|tx| async move {
            insert(&tx, 1).await?;
            Ok::<_, StoreError>(tx)
        }).await.unwrap();
        assert!(insert(&leaked, 2).await.is_err());
        drop(leaked);
        assert_eq!(committed(&test.store).await, 1);
    }

    async fn many_writers_at_once_lose_nothing(test: TestStore) {
        let writes = (0..200_i64).map(|key| {
            let store = test.store.clone();
            tokio::spawn(async move {
                store.write(move |tx| async move {
                    insert(&tx, key).await?;
                    if key % 10 == 3 {
                        return Err(StoreError::Missing { statement: "mine" });
                    }
                    if key % 10 == 7 {
                        insert(&tx, key).await?;
                    }
                    Ok(())
                }).await
            })
        });
        let results: Vec<_> = futures::future::join_all(writes).await;
        let kept = results.into_iter().filter(|result| matches!(result, Ok(Ok(())))).count();
        assert_eq!(kept, 160);
        assert_eq!(committed(&test.store).await, 160);
    }

    async fn a_caller_that_goes_away_leaves_no_transaction_open(test: TestStore) {
        for key in 0..20_i64 {
            let store = test.store.clone();
            let write = tokio::spawn(async move {
                store.write(move |tx| async move {
                    for part in 0..20 {
                        insert(&tx, key * 100 + part).await?;
                    }
                    Ok::<(), StoreError>(())
                }).await
            });
            for _ in 0..key {
                tokio::task::yield_now().await;
            }
            write.abort();
        }
        // Whatever was begun ends by itself, whole or not at all; the store goes on.
        test.store.write(|tx| async move { insert(&tx, -1).await }).await.unwrap();
        let mut seen = committed(&test.store).await;
        for _ in 0..1_000 {
            if (seen - 1) % 20 == 0 {
                break;
            }
            tokio::task::yield_now().await;
            seen = committed(&test.store).await;
        }
        assert_eq!((seen - 1) % 20, 0);
    }

    async fn readers_see_rows_in_order(test: TestStore) {
        test.store.write(|tx| async move {
            for key in ["B", "A", "C"] {
                tx.execute(&INSERT, params![1_i64, key, 0_i64]).await?;
            }
            Ok::<(), StoreError>(())
        }).await.unwrap();
        let rows = test.store.reader().query(&LIST, params![1_i64]).await.unwrap();
        let keys: Vec<String> = rows.iter().map(|row| row.get(0).unwrap()).collect();
        assert_eq!(keys, ["A", "B", "C"]);
        assert!(rows[0].get::<i64>(0).is_err());
        let none = test.store.reader().find(&LIST, params![2_i64]).await.unwrap();
        assert!(none.is_none());
    }

    async fn what_was_written_is_there_after_a_restart(mut test: TestStore) {
        test.store.write(|tx| async move { insert(&tx, 1).await }).await.unwrap();
        let old = test.store.clone();
        test.reopen().await;
        assert_eq!(committed(&test.store).await, 1);
        let late = old.write(|tx| async move { insert(&tx, 2).await }).await;
        assert!(late.unwrap_err().is_unavailable());
    }
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_process() {
    let test = TestStore::sqlite().await;
    let second = Store::open(test.options.clone()).await;
    assert!(matches!(second.err(), Some(StoreError::Locked(_))));
    assert_eq!(committed(&test.store).await, 0);
}

#[tokio::test]
async fn a_postgres_that_is_away_is_unavailable_and_comes_back() {
    let Some(test) = TestStore::postgres().await else {
        return;
    };
    let mut options = test.options.clone();
    let url = "postgres://tenon@127.0.0.1:1/tenon".to_owned();
    options.url = tenon_store::DatabaseUrl::Postgres(url.into());
    let refused = Store::open(options).await.err();
    assert!(matches!(refused, Some(StoreError::Unavailable(_))));

    // FAULTS 9: every connection of the pool dies; the next use makes new ones.
    let (client, connection) =
        tokio_postgres::connect(test.database_url().unwrap(), tokio_postgres::NoTls)
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    client
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    let mut answers = 0;
    for _ in 0..20 {
        match test.store.reader().get(&COUNT, &[]).await {
            Ok(_) => answers += 1,
            Err(error) => assert!(error.is_unavailable(), "{error}"),
        }
    }
    assert!(answers > 10);
}
