//! Reading and pruning (records.md, section 3).

use std::{collections::HashSet, time::Duration};

use serde_json::Value;
use tenon_core::cursor::Cursor;
use tenon_engine::records::{self, ListQuery, RecordAction};
use tenon_testkit::{TestStore, store_test};

use crate::world::{World, counts, numbered, rows};

fn query(limit: usize) -> ListQuery {
    ListQuery {
        model: "Item".to_owned(),
        limit,
        ..ListQuery::default()
    }
}

fn cursor(record: &Value) -> Cursor {
    Cursor::decode(record["_nango_metadata"]["cursor"].as_str().unwrap()).unwrap()
}

fn ids(records: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = records
        .iter()
        .map(|record| record["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids
}

store_test! {
    async fn pages_hold_every_record_once(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::save(&world.engine, &run, "Item", numbered(0..25, "{}")).await.unwrap();
        let (mut sizes, mut seen, mut after) = (Vec::new(), HashSet::new(), None);
        loop {
            let (page, next) = world.page(ListQuery { after, ..query(7) }).await;
            sizes.push(page.len());
            seen.extend(page.iter().map(|record| record["id"].as_str().unwrap().to_owned()));
            let Some(next) = next else { break };
            assert_eq!(cursor(page.last().unwrap()), Cursor::decode(&next).unwrap());
            after = Cursor::decode(&next);
        }
        assert_eq!(sizes, [7, 7, 7, 4]);
        assert_eq!(seen.len(), 25);
        let (all, next) = world.page(query(25)).await;
        assert_eq!((all.len(), next), (25, None));
    }

    async fn a_reader_misses_no_change_made_while_it_reads(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::save(&world.engine, &run, "Item", numbered(0..40, "{}")).await.unwrap();
        let mut latest = std::collections::HashMap::new();
        let mut after = None;
        for round in 0..30 {
            test.clock.advance(Duration::from_millis(1));
            if round < 10 {
                let json = format!(r#"{{"round":{round}}}"#);
                let batch = numbered(round * 3..round * 3 + 15, &json);
                records::save(&world.engine, &run, "Item", batch).await.unwrap();
            }
            let (page, _) = world.page(ListQuery { after, ..query(9) }).await;
            if let Some(last) = page.last() {
                after = Some(cursor(last));
            }
            for record in page {
                latest.insert(record["id"].as_str().unwrap().to_owned(), record);
            }
        }
        let now = world.list("Item").await;
        assert_eq!(now.len(), 42);
        for record in now {
            assert_eq!(latest[record["id"].as_str().unwrap()], record);
        }
    }

    async fn modified_after_includes_its_instant(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        records::save(&world.engine, &run, "Item", rows(&[("a", "{}")])).await.unwrap();
        test.clock.advance(Duration::from_secs(10));
        records::save(&world.engine, &run, "Item", rows(&[("b", "{}"), ("c", "{}")])).await.unwrap();
        let at = cursor(&world.record("Item", "b").await).modified_at;
        let since = |instant| ListQuery { modified_after: Some(instant), ..query(10) };
        let (page, _) = world.page(since(at)).await;
        assert_eq!(ids(&page), ["b", "c"]);
        let (page, _) = world.page(since(at.plus(Duration::from_micros(1)))).await;
        assert!(page.is_empty());
        let both = ListQuery { after: Some(cursor(&world.list("Item").await[1])), ..since(at) };
        let (page, _) = world.page(both).await;
        assert_eq!(page.len(), 1);
    }

    async fn filters_choose_by_the_last_action(test: TestStore) {
        use RecordAction::{Added, Deleted, Updated};

        let world = World::new(&test).await;
        let run = world.run().await;
        let batch = rows(&[("added", "{}"), ("updated", "{}"), ("deleted", "{}")]);
        records::save(&world.engine, &run, "Item", batch).await.unwrap();
        records::save(&world.engine, &run, "Item", rows(&[("updated", "{\"n\":1}")])).await.unwrap();
        records::delete(&world.engine, &run, "Item", rows(&[("deleted", "{}")])).await.unwrap();
        let cases = [
            (vec![], vec!["added", "deleted", "updated"]),
            (vec![Added], vec!["added"]),
            (vec![Updated], vec!["updated"]),
            (vec![Deleted], vec!["deleted"]),
            (vec![Added, Updated], vec!["added", "updated"]),
            (vec![Updated, Deleted], vec!["deleted", "updated"]),
            (vec![Added, Deleted], vec!["added", "deleted"]),
            (vec![Added, Updated, Deleted], vec!["added", "deleted", "updated"]),
        ];
        for (actions, expected) in cases {
            let (page, _) = world.page(ListQuery { actions: actions.clone(), ..query(10) }).await;
            assert_eq!(ids(&page), expected, "{actions:?}");
        }
        let some = ListQuery { ids: vec!["added".to_owned(), "none".to_owned()], ..query(10) };
        assert_eq!(ids(&world.page(some).await.0), ["added"]);
    }

    async fn records_are_found_by_id(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let batch = rows(&[("a", r#"{"n":1}"#), ("é\"'", r#"{"n":2}"#)]);
        records::save(&world.engine, &run, "Item", batch).await.unwrap();
        let key = world.key("Item");
        let wanted = ["é\"'".to_owned(), "none".to_owned()];
        let found = records::by_ids(&world.engine, key.environment, key.connection, "Item", &wanted);
        let found = found.await.unwrap();
        assert_eq!(found.len(), 1);
        let record: Value = serde_json::from_slice(&found[0].1).unwrap();
        assert_eq!((found[0].0.as_str(), &record["n"]), ("é\"'", &Value::from(2)));
    }

    async fn a_pruned_record_keeps_its_place_and_comes_back_there(test: TestStore) {
        let world = World::new(&test).await;
        let run = world.run().await;
        let batch = numbered(0..10, r#"{"n":1}"#);
        records::save(&world.engine, &run, "Item", batch.clone()).await.unwrap();
        let before = world.list("Item").await;
        test.clock.advance(Duration::from_secs(60));

        let until = cursor(&before[6]);
        let prune = |limit| records::prune(&world.engine, world.key("Item"), until, limit);
        let pruned = prune(5).await.unwrap();
        assert_eq!((pruned.count, pruned.has_more), (5, true));
        let pruned = prune(5).await.unwrap();
        assert_eq!((pruned.count, pruned.has_more), (2, false));
        let pruned = prune(5).await.unwrap();
        assert_eq!((pruned.count, pruned.has_more), (0, false));

        let after = world.list("Item").await;
        for (place, record) in after.iter().enumerate() {
            assert_eq!(cursor(record), cursor(&before[place]));
            assert_eq!(record.get("n").is_none(), place <= 6);
            assert_eq!(record["_nango_metadata"]["pruned_at"].is_null(), place > 6);
        }
        assert_eq!(world.total("Item").await, 10);

        let again = records::save(&world.engine, &run, "Item", batch).await.unwrap();
        assert_eq!((again.counts, again.unchanged), (counts(0, 0, 0), 10));
        assert_eq!(world.list("Item").await, before);
    }

    async fn pruning_an_unknown_model_does_nothing(test: TestStore) {
        let world = World::new(&test).await;
        let until = Cursor { modified_at: world.engine.clock.now(), id: Default::default() };
        let pruned = records::prune(&world.engine, world.key("Nothing"), until, 5).await.unwrap();
        assert_eq!((pruned.count, pruned.has_more), (0, false));
    }
}
