//! Saving, updating, deleting (records.md, section 2).

use std::time::Duration;

use tenon_core::{Timestamp, function::MergingStrategy};
use tenon_engine::records::{self, RecordsError};
use tenon_store::Statement;
use tenon_testkit::{TestStore, store_test};

use crate::world::{World, counts, numbered, rows};

static PAYLOADS: Statement = Statement::new("PAYLOADS", "SELECT payload FROM record");

store_test! {
    async fn the_same_data_again_changes_nothing(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let batch = rows(&[("a", r#"{"n":1}"#), ("b", r#"{"n":2}"#)]);
        let first = records::save(&world.engine, &run, "Item", batch.clone()).await.unwrap();
        assert_eq!(first.counts, counts(2, 0, 0));
        let before = world.list("Item").await;
        assert_eq!(before.len(), 2);

        test.clock.advance(Duration::from_secs(60));
        let again = records::save(&world.engine, &run, "Item", batch).await.unwrap();
        assert_eq!((again.counts, again.unchanged), (counts(0, 0, 0), 2));
        assert_eq!(world.list("Item").await, before);
        assert_eq!(world.total("Item").await, 2);
    }

    async fn another_order_of_keys_is_another_record(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let save = |json| records::save(&world.engine, &run, "Item", rows(&[("a", json)]));
        save(r#"{"n":6,"m":7}"#).await.unwrap();
        assert_eq!(save(r#"{"m":7,"n":6}"#).await.unwrap().counts, counts(0, 1, 0));
    }

    async fn floats_keep_their_last_digit(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let saved = rows(&[("a", r#"{"n":51.248178375505404,"o":{"x":187.24158270135618}}"#)]);
        records::save(&world.engine, &run, "Item", saved).await.unwrap();
        let text = world.texts("Item").await.concat();
        assert!(text.contains(r#""n":51.248178375505404,"o":{"x":187.24158270135618}"#), "{text}");

        let partial = rows(&[("a", r#"{"o":{"y":904.6212365765801}}"#)]);
        records::update(&world.engine, &run, "Item", partial).await.unwrap();
        let text = world.texts("Item").await.concat();
        let merged = r#""n":51.248178375505404,"o":{"x":187.24158270135618,"y":904.6212365765801}"#;
        assert!(text.contains(merged), "{text}");
    }

    async fn changed_data_replaces_and_moves_to_the_end(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let batch = rows(&[("a", r#"{"n":1,"x":1}"#), ("b", r#"{"n":2}"#)]);
        records::save(&world.engine, &run, "Item", batch).await.unwrap();
        test.clock.advance(Duration::from_secs(60));
        let changed = rows(&[("a", r#"{"n":9}"#)]);
        let written = records::save(&world.engine, &run, "Item", changed).await.unwrap();
        assert_eq!(written.counts, counts(0, 1, 0));

        let list = world.list("Item").await;
        assert_eq!(list[1]["id"], "a");
        assert_eq!(list[1]["n"], 9);
        assert!(list[1].get("x").is_none());
        let metadata = &list[1]["_nango_metadata"];
        assert_eq!(metadata["last_action"], "UPDATED");
        assert_ne!(metadata["first_seen_at"], metadata["last_modified_at"]);
    }

    async fn a_record_that_comes_back_is_added_anew(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let record = rows(&[("a", r#"{"n":1}"#)]);
        records::save(&world.engine, &run, "Item", record.clone()).await.unwrap();
        let born = world.record("Item", "a").await;
        test.clock.advance(Duration::from_secs(60));

        let only_id = rows(&[("a", "{}"), ("never", "{}")]);
        let gone = records::delete(&world.engine, &run, "Item", only_id.clone()).await.unwrap();
        assert_eq!(gone.counts, counts(0, 0, 1));
        let deleted = world.record("Item", "a").await;
        assert_eq!(deleted["_nango_metadata"]["last_action"], "DELETED");
        assert!(deleted.get("n").is_none(), "what was passed is the payload now");
        assert_eq!(world.record("Item", "never").await["_nango_metadata"]["last_action"], "DELETED");
        assert_eq!(world.total("Item").await, 0);

        test.clock.advance(Duration::from_secs(60));
        let again = records::delete(&world.engine, &run, "Item", only_id).await.unwrap();
        assert_eq!(again.counts, counts(0, 0, 0));
        let rewritten = world.record("Item", "a").await;
        assert_ne!(rewritten["_nango_metadata"]["cursor"], deleted["_nango_metadata"]["cursor"]);

        test.clock.advance(Duration::from_secs(60));
        let back = records::save(&world.engine, &run, "Item", record).await.unwrap();
        assert_eq!(back.counts, counts(1, 0, 0));
        let reborn = world.record("Item", "a").await;
        assert_eq!(reborn["n"], 1);
        assert_eq!(reborn["_nango_metadata"]["last_action"], "ADDED");
        assert_ne!(
            reborn["_nango_metadata"]["first_seen_at"],
            born["_nango_metadata"]["first_seen_at"]
        );
        assert_eq!(world.total("Item").await, 1);
    }

    async fn a_record_may_name_the_time_of_its_deletion(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let gone = rows(&[("a", r#"{"deletedAt":"2025-05-05T05:05:05Z"}"#)]);
        records::save(&world.engine, &run, "Item", rows(&[("a", "{}")])).await.unwrap();
        records::delete(&world.engine, &run, "Item", gone).await.unwrap();
        let deleted = world.record("Item", "a").await;
        assert_eq!(deleted["_nango_metadata"]["deleted_at"], "2025-05-05T05:05:05+00:00");
    }

    async fn of_duplicates_the_first_wins(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let batch = rows(&[("a", r#"{"n":"first"}"#), ("b", "{}"), ("a", r#"{"n":"second"}"#)]);
        let written = records::save(&world.engine, &run, "Item", batch).await.unwrap();
        assert_eq!(written.counts, counts(2, 0, 0));
        assert_eq!(written.duplicates, ["a"]);
        assert_eq!(world.record("Item", "a").await["n"], "first");
    }

    async fn an_update_merges_into_live_records_only(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let full = rows(&[("a", r#"{"n":1,"nested":{"x":1,"y":[1,2]}}"#), ("gone", "{}")]);
        records::save(&world.engine, &run, "Item", full).await.unwrap();
        records::delete(&world.engine, &run, "Item", rows(&[("gone", "{}")])).await.unwrap();
        test.clock.advance(Duration::from_secs(60));

        let partial = rows(&[
            ("a", r#"{"nested":{"y":[9],"z":1}}"#),
            ("gone", r#"{"n":1}"#),
            ("unknown", r#"{"n":1}"#),
        ]);
        let updated = records::update(&world.engine, &run, "Item", partial.clone()).await.unwrap();
        assert_eq!(updated.counts, counts(0, 1, 0));
        let merged = world.record("Item", "a").await;
        assert_eq!(merged["nested"], serde_json::json!({"x": 1, "y": [9], "z": 1}));
        assert_eq!(merged["n"], 1);
        assert_eq!(world.list("Item").await.len(), 2);

        let again = records::update(&world.engine, &run, "Item", partial).await.unwrap();
        assert_eq!(again.counts, counts(0, 0, 0));
        // As in the reference, the stored hash is that of the partial record.
        let whole = rows(&[("a", r#"{"n":1,"nested":{"x":1,"y":[9],"z":1}}"#)]);
        let saved = records::save(&world.engine, &run, "Item", whole.clone()).await.unwrap();
        assert_eq!(saved.counts, counts(0, 1, 0));
        let saved = records::save(&world.engine, &run, "Item", whole).await.unwrap();
        assert_eq!(saved.unchanged, 1);
    }

    async fn a_partial_record_that_is_no_object_is_refused(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::save(&world.engine, &run, "Item", rows(&[("a", "{}")])).await.unwrap();
        let update = records::update(&world.engine, &run, "Item", rows(&[("a", "[1]")])).await;
        assert!(matches!(update, Err(RecordsError::NotAnObject { .. })));
    }

    async fn rows_that_changed_meanwhile_are_left_alone_on_request(test: TestStore) {
        let world = World::new(&test).await;
        let (run, webhook) = (world.run().await, world.run().await);
        let batch = rows(&[("a", r#"{"n":1}"#), ("b", r#"{"n":1}"#), ("c", r#"{"n":1}"#)]);
        records::save(&world.engine, &webhook, "Item", batch).await.unwrap();
        let strategy = MergingStrategy::IgnoreIfModifiedAfter;
        records::set_merging_strategy(&world.engine, &run, "Item", strategy).await.unwrap();

        test.clock.advance(Duration::from_secs(1));
        let newer = rows(&[("b", r#"{"n":2}"#)]);
        records::save(&world.engine, &webhook, "Item", newer).await.unwrap();
        test.clock.advance(Duration::from_secs(1));
        let old = rows(&[("a", r#"{"n":3}"#), ("b", r#"{"n":3}"#), ("new", "{}")]);
        let written = records::save(&world.engine, &run, "Item", old).await.unwrap();
        assert_eq!((written.counts, written.unchanged), (counts(1, 1, 0), 1));
        assert_eq!(world.record("Item", "a").await["n"], 3);
        assert_eq!(world.record("Item", "b").await["n"], 2);

        // What the run wrote itself it may write again.
        let own = rows(&[("a", r#"{"n":4}"#)]);
        let written = records::save(&world.engine, &run, "Item", own).await.unwrap();
        assert_eq!(written.counts, counts(0, 1, 0));
        let strategy = MergingStrategy::Override;
        records::set_merging_strategy(&world.engine, &run, "Item", strategy).await.unwrap();
        test.clock.advance(Duration::from_secs(1));
        let newest = rows(&[("c", r#"{"n":5}"#)]);
        records::save(&world.engine, &webhook, "Item", newest).await.unwrap();
        let last = rows(&[("c", r#"{"n":6}"#)]);
        let written = records::save(&world.engine, &run, "Item", last).await.unwrap();
        assert_eq!(written.counts, counts(0, 1, 0));
    }

    async fn variants_keep_their_records_apart(test: TestStore) {
        let world = World::new(&test).await;
        let (base, eu) = (world.run().await, world.run_of_variant("eu").await);
        records::save(&world.engine, &base, "Item", rows(&[("a", r#"{"n":1}"#)])).await.unwrap();
        let written = records::save(&world.engine, &eu, "Item", rows(&[("a", r#"{"n":1}"#)])).await;
        assert_eq!(written.unwrap().counts, counts(1, 0, 0));
        let cursor = |record: &serde_json::Value| record["_nango_metadata"]["cursor"].clone();
        let ours = world.record("Item", "a").await;
        let theirs = world.record("Item::eu", "a").await;
        assert_ne!(cursor(&ours), cursor(&theirs));
    }

    async fn faults_13_a_void_lease_writes_nothing(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::save(&world.engine, &run, "Item", rows(&[("a", "{}")])).await.unwrap();
        world.take_unannounced("Item").await.unwrap();
        let before = world.list("Item").await;
        world.take_lease_from(&run).await;

        test.clock.advance(Duration::from_secs(700));
        let batch = || rows(&[("a", r#"{"n":1}"#), ("b", "{}")]);
        let engine = &world.engine;
        let refused = [
            records::save(engine, &run, "Item", batch()).await,
            records::update(engine, &run, "Item", batch()).await,
            records::delete(engine, &run, "Item", batch()).await,
        ];
        for refused in refused {
            assert!(matches!(refused, Err(RecordsError::LeaseLost)));
        }
        let refused = records::delete_unseen(engine, &run, "Item").await.unwrap();
        assert!(refused.is_empty());
        assert_eq!(world.list("Item").await, before);
        assert!(world.take_unannounced("Item").await.is_none());
    }

    async fn faults_19_changes_stay_in_order_when_the_clock_jumps(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let mut cursors = Vec::new();
        let jumps = [1_767_300_000, 1_767_300_000, 1_767_200_000, 0, 1_767_400_000];
        for (place, seconds) in jumps.into_iter().enumerate() {
            test.clock.jump(Timestamp::from_secs(seconds));
            let batch = numbered(place * 3..place * 3 + 3, "{}");
            records::save(&world.engine, &run, "Item", batch).await.unwrap();
            let list = world.list("Item").await;
            assert_eq!(list.len(), place * 3 + 3);
            let last = list.last().unwrap()["id"].as_str().unwrap().to_owned();
            assert!(last >= format!("r{:05}", place * 3), "{last}");
            cursors.push(list.last().unwrap()["_nango_metadata"]["cursor"].clone());
        }
        cursors.dedup();
        assert_eq!(cursors.len(), 5);
    }

    async fn payloads_are_sealed(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let batch = rows(&[("a", r#"{"secret":"canary-payload"}"#)]);
        records::save(&world.engine, &run, "Item", batch).await.unwrap();
        let rows = world.engine.reader().query(&PAYLOADS, &[]).await.unwrap();
        let payload: bytes::Bytes = rows[0].get(0).unwrap();
        assert!(!payload.windows(6).any(|window| window == b"canary"));
        assert_eq!(world.record("Item", "a").await["secret"], "canary-payload");
    }

    async fn emptying_removes_everything_for_good(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::save(&world.engine, &run, "Item", numbered(0..50, "{}")).await.unwrap();
        records::save(&world.engine, &run, "Other", numbered(0..5, "{}")).await.unwrap();
        let before = world.record("Other", "r00001").await;
        world.empty("Item").await;
        assert!(world.list("Item").await.is_empty());
        assert_eq!((world.total("Item").await, world.total("Other").await), (0, 5));
        let back = records::save(&world.engine, &run, "Item", numbered(0..50, "{}")).await;
        assert_eq!(back.unwrap().counts, counts(50, 0, 0));
        assert_eq!(world.record("Other", "r00001").await, before);
    }
}
