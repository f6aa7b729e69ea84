//! Detection of deletions (records.md, section 4).

use std::time::Duration;

use tenon_engine::records::{self, RecordsError};
use tenon_testkit::{TestStore, store_test};

use crate::world::{World, counts, numbered, rows};

store_test! {
    async fn what_was_not_seen_is_deleted_and_keeps_its_payload(test: TestStore) {
        let world = World::new(&test).await;
        let first = world.run().await;
        records::save(&world.engine, &first, "Item", numbered(0..6, r#"{"n":1}"#)).await.unwrap();
        world.end(first, "Item").await;
        world.take_unannounced("Item").await.unwrap();
        test.clock.advance(Duration::from_secs(60));

        let run = world.run().await;
        records::track_deletes_start(&world.engine, &run, "Item").await.unwrap();
        // Unchanged, changed, new and partly updated records have all been seen.
        records::save(&world.engine, &run, "Item", numbered(0..1, r#"{"n":1}"#)).await.unwrap();
        records::save(&world.engine, &run, "Item", numbered(1..2, r#"{"n":2}"#)).await.unwrap();
        records::save(&world.engine, &run, "Item", rows(&[("new", "{}")])).await.unwrap();
        let partial = rows(&[("r00002", r#"{"m":1}"#)]);
        records::update(&world.engine, &run, "Item", partial).await.unwrap();
        let gone = records::track_deletes_end(&world.engine, &run, "Item").await.unwrap();
        assert_eq!(gone, ["r00003", "r00004", "r00005"]);

        assert_eq!(world.take_unannounced("Item").await.unwrap().counts, counts(1, 2, 3));
        assert_eq!(world.total("Item").await, 4);
        let deleted = world.record("Item", "r00004").await;
        assert_eq!(deleted["n"], 1);
        assert_eq!(deleted["_nango_metadata"]["last_action"], "DELETED");

        let without_start = records::track_deletes_end(&world.engine, &run, "Item").await;
        assert!(matches!(without_start, Err(RecordsError::NotTracked { .. })));
    }

    async fn tracking_goes_on_over_a_run_that_broke_off(test: TestStore) {
        let world = World::new(&test).await;
        let old = world.run().await;
        records::save(&world.engine, &old, "Item", numbered(0..9, "{}")).await.unwrap();
        world.end(old, "Item").await;

        let broken_off = world.run().await;
        records::track_deletes_start(&world.engine, &broken_off, "Item").await.unwrap();
        records::save(&world.engine, &broken_off, "Item", numbered(0..4, "{}")).await.unwrap();
        world.end(broken_off, "Item").await;

        let resumed = world.run().await;
        records::track_deletes_start(&world.engine, &resumed, "Item").await.unwrap();
        records::save(&world.engine, &resumed, "Item", numbered(4..7, "{}")).await.unwrap();
        let gone = records::track_deletes_end(&world.engine, &resumed, "Item").await.unwrap();
        assert_eq!(gone, ["r00007", "r00008"]);
        assert_eq!(world.live_ids("Item").await.len(), 7);
        world.end(resumed, "Item").await;

        // The next tracking starts afresh: what only the old runs saw is gone.
        let next = world.run().await;
        records::track_deletes_start(&world.engine, &next, "Item").await.unwrap();
        records::save(&world.engine, &next, "Item", numbered(6..7, "{}")).await.unwrap();
        let gone = records::track_deletes_end(&world.engine, &next, "Item").await.unwrap();
        assert_eq!(gone.len(), 6);
    }

    async fn a_save_between_looking_and_deleting_is_believed(test: TestStore) {
        let world = World::new(&test).await;
        let old = world.run().await;
        records::save(&world.engine, &old, "Item", numbered(0..200, "{}")).await.unwrap();
        let (run, webhook) = (world.run().await, world.run().await);
        records::track_deletes_start(&world.engine, &run, "Item").await.unwrap();
        let (gone, saved) = tokio::join!(
            records::track_deletes_end(&world.engine, &run, "Item"),
            records::save(&world.engine, &webhook, "Item", rows(&[("r00007", "{\"n\":1}"), ("new", "{}")])),
        );
        saved.unwrap();
        let live = world.live_ids("Item").await;
        assert!(live.contains("r00007") && live.contains("new"), "{live:?}");
        assert!(gone.unwrap().len() >= 199);
    }

    async fn old_sightings_are_forgotten_unless_a_tracking_goes_on(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::track_deletes_start(&world.engine, &run, "Item").await.unwrap();
        records::save(&world.engine, &run, "Item", numbered(0..5, "{}")).await.unwrap();
        test.clock.advance(Duration::from_secs(72 * 3600));
        let now = world.engine.clock.now();
        let purge = || world.engine.store.write(move |tx| async move { tx.purge_seen(now, 100).await });
        assert_eq!(purge().await.unwrap(), 0);
        let gone = records::track_deletes_end(&world.engine, &run, "Item").await.unwrap();
        assert!(gone.is_empty());

        records::save(&world.engine, &run, "Item", numbered(0..5, "{}")).await.unwrap();
        test.clock.advance(Duration::from_secs(1));
        let now = world.engine.clock.now();
        let purge = || world.engine.store.write(move |tx| async move { tx.purge_seen(now, 100).await });
        assert_eq!(purge().await.unwrap(), 1);
        assert_eq!(purge().await.unwrap(), 0);
    }
}
