//! What a run has saved is announced exactly once (DESIGN, section 3).

use std::time::Duration;

use tenon_engine::records;
use tenon_store::StoreError;
use tenon_testkit::{TestStore, store_test};

use crate::world::{SYNC, World, counts, numbered, rows};

store_test! {
    async fn batches_add_up_until_they_are_announced(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let began = world.engine.clock.now();
        records::save(&world.engine, &run, "Item", numbered(0..10, "{}")).await.unwrap();
        test.clock.advance(Duration::from_secs(60));
        records::save(&world.engine, &run, "Item", numbered(5..12, "{\"n\":1}")).await.unwrap();
        records::delete(&world.engine, &run, "Item", numbered(0..3, "{}")).await.unwrap();
        records::save(&world.engine, &run, "Other", rows(&[("a", "{}")])).await.unwrap();

        let changes = world.take_unannounced("Item").await.unwrap();
        assert_eq!(changes.counts, counts(12, 5, 3));
        assert_eq!(changes.since, began);
        assert!(world.take_unannounced("Item").await.is_none());
        assert_eq!(world.take_unannounced("Other").await.unwrap().counts, counts(1, 0, 0));
    }

    async fn faults_2_what_a_run_that_broke_off_had_saved_is_announced_by_the_next(mut test: TestStore) {
        let world = World::new(&test).await;
        let broken_off = world.run().await;
        records::save(&world.engine, &broken_off, "Item", numbered(0..10, "{}")).await.unwrap();
        world.take_lease_from(&broken_off).await;
        drop(world);
        test.reopen().await;

        let world = World::new(&test).await;
        // A transaction that fails after taking gives everything back.
        let lost: Result<(), StoreError> = world.engine.store.write(|tx| async move {
            let taken = records::take_unannounced(&tx, SYNC, "Item").await?;
            assert_eq!(taken.unwrap().counts, counts(10, 0, 0));
            Err(StoreError::Missing { statement: "mine" })
        }).await;
        assert!(lost.is_err());
        assert_eq!(world.take_unannounced("Item").await.unwrap().counts, counts(10, 0, 0));
    }

    async fn unchanged_data_announces_nothing(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::save(&world.engine, &run, "Item", numbered(0..10, "{}")).await.unwrap();
        world.take_unannounced("Item").await.unwrap();
        records::save(&world.engine, &run, "Item", numbered(0..10, "{}")).await.unwrap();
        records::delete(&world.engine, &run, "Item", rows(&[("unknown", "{}")])).await.unwrap();
        assert!(world.take_unannounced("Item").await.is_none());
    }

    async fn writers_at_once_lose_no_count(test: TestStore) {
        let world = World::new(&test).await;
        let mut runs = Vec::new();
        for _ in 0..4 {
            runs.push(world.run().await);
        }
        let work = runs.iter().enumerate().map(|(place, run)| {
            let engine = &world.engine;
            async move {
                for batch in 0..5 {
                    // Neighbours overlap by half.
                    let first = place * 50 + batch * 10;
                    let json = format!("{{\"by\":{place}}}");
                    let rows = numbered(first..first + 20, &json);
                    records::save(engine, run, "Item", rows).await.unwrap();
                }
            }
        });
        futures::future::join_all(work).await;
        let list = world.list("Item").await;
        assert_eq!(list.len(), 210);
        let changes = world.take_unannounced("Item").await.unwrap();
        assert_eq!(changes.counts.added, 210);
        assert_eq!(world.total("Item").await, 210);
    }

    async fn deletions_that_tracking_finds_count_for_variants_too(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run_of_variant("eu").await;
        records::save(&world.engine, &run, "Item", numbered(0..3, "{}")).await.unwrap();
        world.take_unannounced("Item").await.unwrap();
        let next = world.run_of_variant("eu").await;
        records::save(&world.engine, &next, "Item", numbered(0..1, "{}")).await.unwrap();
        let gone = records::delete_unseen(&world.engine, &next, "Item").await.unwrap();
        assert_eq!(gone, ["r00001", "r00002"]);
        assert_eq!(world.take_unannounced("Item").await.unwrap().counts, counts(0, 0, 2));
    }
}
