//! Retention (records.md, section 5).

use std::time::Duration;

use tenon_core::function::Cancel;
use tenon_engine::records::{self, Retention};
use tenon_store::{Statement, StoreError};
use tenon_testkit::{TestStore, store_test};

use crate::world::{World, numbered, rows};

const DAY: Duration = Duration::from_secs(24 * 3600);

static PAYLOADS: Statement = Statement::new(
    "PAYLOADS",
    "SELECT COUNT(*) FROM record WHERE payload IS NOT NULL",
);
static RECORDS: Statement = Statement::new("RECORDS", "SELECT COUNT(*) FROM record");
static HEADS: Statement = Statement::new("HEADS", "SELECT COUNT(*) FROM model_head");
static SYNC: Statement = Statement::new(
    "SYNC",
    "INSERT INTO sync (pk, id, environment_pk, connection_pk, name, variant, last_sync_at_us, created_at_us)
     VALUES (77, 'sync', $1, $2, 'issues', 'base', $3, 0)",
);

async fn sweep(world: &World) {
    records::sweep(&world.engine, Retention::default(), &Cancel::default())
        .await
        .unwrap();
}

async fn number(world: &World, statement: &'static Statement) -> i64 {
    let row = world.engine.reader().get(statement, &[]).await.unwrap();
    row.get(0).unwrap()
}

/// The sync that the records belong to, with a connection of its own.
async fn sync_that_ran(world: &World, at: tenon_core::Timestamp) {
    let key = world.key("Item");
    world.connection_row().await;
    let written = world.engine.store.write(move |tx| async move {
        let values = tenon_store::params![key.environment, key.connection, at];
        tx.execute(&SYNC, values).await?;
        Ok::<_, StoreError>(())
    });
    written.await.unwrap();
}

store_test! {
    async fn payloads_are_dropped_a_month_after_the_last_change(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::save(&world.engine, &run, "Item", numbered(0..2_500, r#"{"n":1}"#)).await.unwrap();
        test.clock.advance(10 * DAY);
        records::save(&world.engine, &run, "Item", numbered(0..100, r#"{"n":2}"#)).await.unwrap();
        let before = world.list("Item").await;
        sweep(&world).await;
        test.clock.advance(19 * DAY);
        sweep(&world).await;
        assert_eq!(number(&world, &PAYLOADS).await, 2_500);

        test.clock.advance(2 * DAY);
        sweep(&world).await;
        assert_eq!(number(&world, &PAYLOADS).await, 100);
        let after = world.list("Item").await;
        assert_eq!(after.len(), 2_500);
        let cursor = |record: &serde_json::Value| record["_nango_metadata"]["cursor"].clone();
        assert!(after.iter().map(cursor).eq(before.iter().map(cursor)));
        assert_eq!(world.record("Item", "r00005").await["n"], 2);

        test.clock.advance(10 * DAY);
        sweep(&world).await;
        assert_eq!(number(&world, &PAYLOADS).await, 0);
        assert_eq!(world.total("Item").await, 2_500);
    }

    async fn models_that_nobody_writes_any_more_are_removed(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::save(&world.engine, &run, "Item", numbered(0..1_500, "{}")).await.unwrap();
        test.clock.advance(30 * DAY);
        sync_that_ran(&world, world.engine.clock.now()).await;
        test.clock.advance(31 * DAY);
        sweep(&world).await;
        assert_eq!(number(&world, &RECORDS).await, 1_500, "its sync ran a month ago");

        test.clock.advance(30 * DAY);
        sweep(&world).await;
        assert_eq!((number(&world, &RECORDS).await, number(&world, &HEADS).await), (0, 0));
    }

    async fn the_records_of_a_connection_go_with_it(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::save(&world.engine, &run, "Item", numbered(0..1_500, "{}")).await.unwrap();
        records::save(&world.engine, &run, "Other", rows(&[("a", "{}")])).await.unwrap();
        sweep(&world).await;
        world.connection_row().await;
        let (connection, now) = (world.key("Item").connection, world.engine.clock.now());
        let deleted = world.engine.store.write(move |tx| async move {
            tx.delete_connection(connection, now).await
        });
        assert!(deleted.await.unwrap());
        sweep(&world).await;
        assert_eq!((number(&world, &RECORDS).await, number(&world, &HEADS).await), (0, 0));
    }
}
