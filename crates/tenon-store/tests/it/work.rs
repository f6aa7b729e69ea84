//! Tasks, leases, checkpoints and locks.

use std::time::Duration;

use bytes::Bytes;
use tenon_core::{
    Secret, Timestamp,
    names::{ConnectionPk, EnvironmentPk, TaskPk},
};
use tenon_store::{
    Store, StoreError,
    environments::{EnvironmentRow, FunctionSettingsRow, WebhookSettingsRow},
    work::tasks::{NewTask, TaskRow, TaskState},
};
use tenon_testkit::{TestStore, store_test};

const ENVIRONMENT: EnvironmentPk = EnvironmentPk(1);
const CONNECTION: ConnectionPk = ConnectionPk(7);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_000 + seconds)
}

pub(crate) async fn environment(store: &Store) {
    let row = EnvironmentRow {
        pk: ENVIRONMENT,
        uuid: "u".to_owned(),
        name: "dev".to_owned(),
        public_key: "p".to_owned(),
        webhook_signing_key: Secret::new("k".to_owned()),
        hmac_key: None,
        hmac_enabled: false,
        public_key_auth: "off".to_owned(),
        callback_url: None,
        functions: FunctionSettingsRow::default(),
        webhooks: WebhookSettingsRow {
            primary_url: None,
            secondary_url: None,
            on_sync_completion_always: false,
            on_auth_creation: false,
            on_auth_refresh_error: false,
            on_sync_error: false,
            on_async_action_completion: false,
        },
    };
    let made: Result<(), StoreError> = store
        .write(move |tx| async move { tx.insert_environment(&row, at(0)).await })
        .await;
    made.unwrap();
}

/// A task that waits since `pk` seconds and expires 100 seconds later.
fn task(pk: i64, group: &str) -> NewTask {
    NewTask {
        pk: TaskPk(pk),
        id: format!("task-{pk}"),
        environment: ENVIRONMENT,
        connection: CONNECTION,
        schedule: None,
        kind: "sync",
        group_key: group.to_owned(),
        payload: Bytes::from_static(b"{\"a\":1}"),
        retry_max: 0,
        idempotency_key: None,
        operation: "op".to_owned(),
        created_at: at(pk),
        start_by: at(pk + 100),
        begun_by: None,
    }
}

async fn insert(store: &Store, new: NewTask) -> bool {
    let inserted: Result<bool, StoreError> = store
        .write(move |tx| async move { tx.insert_task(&new).await })
        .await;
    inserted.unwrap()
}

async fn claim(store: &Store, group: &'static str, now: Timestamp, limit: i64) -> Vec<TaskRow> {
    let claimed: Result<Vec<TaskRow>, StoreError> = store
        .write(move |tx| async move {
            let until = now.plus(Duration::from_secs(30));
            tx.claim_tasks("sync", group, "node", now, until, limit)
                .await
        })
        .await;
    let mut claimed = claimed.unwrap();
    claimed.sort_by_key(|task| task.pk);
    claimed
}

fn pks(tasks: &[TaskRow]) -> Vec<i64> {
    tasks.iter().map(|task| task.pk.0).collect()
}

async fn holds(store: &Store, task: TaskPk, fence: i64) -> bool {
    let held: Result<bool, StoreError> = store
        .write(move |tx| async move { tx.hold_task(task, fence).await })
        .await;
    held.unwrap()
}

store_test! {
    async fn a_waiting_task_is_claimed_once_and_the_oldest_first(test: TestStore) {
        environment(&test.store).await;
        for (pk, group) in [(3, "a"), (1, "a"), (2, "a"), (4, "b")] {
            assert!(insert(&test.store, task(pk, group)).await);
        }
        let groups = test.store.reader().waiting_groups("sync", 10).await.unwrap();
        let groups: Vec<_> = groups.iter().map(|group| (group.key.as_str(), group.running)).collect();
        assert_eq!(groups, [("a", 0), ("b", 0)]);
        assert_eq!(pks(&claim(&test.store, "a", at(1), 10).await), [1]);
        let claimed = claim(&test.store, "a", at(10), 1).await;
        assert_eq!(pks(&claimed), [2]);
        assert_eq!((claimed[0].fence, claimed[0].attempt), (1, 1));
        assert_eq!(claimed[0].payload, Bytes::from_static(b"{\"a\":1}"));
        assert_eq!(pks(&claim(&test.store, "a", at(10), 10).await), [3]);
        assert_eq!(pks(&claim(&test.store, "a", at(10), 10).await), [0_i64; 0]);
        let groups = test.store.reader().waiting_groups("sync", 10).await.unwrap();
        let groups: Vec<_> = groups.iter().map(|group| (group.key.as_str(), group.running)).collect();
        assert_eq!(groups, [("b", 0)]);
    }

    async fn many_nodes_that_claim_at_once_share(test: TestStore) {
        environment(&test.store).await;
        for pk in 1..=40 {
            insert(&test.store, task(pk, "a")).await;
        }
        let claims = (0..8).map(|_| claim(&test.store, "a", at(60), 5));
        let claimed: Vec<TaskRow> = futures::future::join_all(claims).await.concat();
        let mut pks = pks(&claimed);
        pks.sort_unstable();
        let before = pks.len();
        pks.dedup();
        assert_eq!(before, pks.len());
        let rest = claim(&test.store, "a", at(60), 100).await;
        assert_eq!(before + rest.len(), 40);
    }

    async fn a_void_fence_holds_nothing(test: TestStore) {
        environment(&test.store).await;
        insert(&test.store, task(1, "a")).await;
        let old = claim(&test.store, "a", at(1), 1).await.remove(0);
        assert!(holds(&test.store, old.pk, old.fence).await);
        let lost = test.store.write(|tx| async move {
            assert!(tx.lost_tasks(at(30), 10).await?.is_empty());
            let lost = tx.lost_tasks(at(31), 10).await?;
            let task = lost.first().cloned().expect("its lease is over");
            assert!(tx.requeue_task(&task, 2, 0, at(31), at(131)).await?);
            Ok::<_, StoreError>(task)
        }).await.unwrap();
        assert_eq!(lost.pk, old.pk);
        assert!(!holds(&test.store, old.pk, old.fence).await);
        let new = claim(&test.store, "a", at(31), 1).await.remove(0);
        assert_eq!(new.attempt, 2);
        assert!(new.fence > old.fence);
        let finished = test.store.write(move |tx| async move {
            let late = tx.finish_task(&old, TaskState::Succeeded, Some(b"1"), at(32)).await?;
            let right = tx.finish_task(&new, TaskState::Succeeded, Some(b"2"), at(32)).await?;
            let twice = tx.finish_task(&new, TaskState::Failed, None, at(32)).await?;
            Ok::<_, StoreError>((late, right, twice))
        }).await.unwrap();
        assert_eq!(finished, (false, true, false));
        let result = test.store.reader().find_task_result(TaskPk(1)).await.unwrap().unwrap();
        assert_eq!((result.state, result.output), (TaskState::Succeeded, Some(Bytes::from_static(b"2"))));
    }

    async fn heartbeats_extend_what_a_node_still_has(test: TestStore) {
        environment(&test.store).await;
        for pk in [1, 2] {
            insert(&test.store, task(pk, "a")).await;
        }
        claim(&test.store, "a", at(2), 2).await;
        let (held, others, cancelled, after) = test.store.write(|tx| async move {
            let held = tx.extend_leases("node", at(100)).await?.len();
            let others = tx.extend_leases("other", at(100)).await?.len();
            assert!(tx.lost_tasks(at(99), 10).await?.is_empty());
            let cancelled = tx.cancel_task(TaskPk(1), at(50)).await?;
            let after = tx.extend_leases("node", at(100)).await?.len();
            Ok::<_, StoreError>((held, others, cancelled, after))
        }).await.unwrap();
        assert_eq!((held, others, after), (2, 0, 1));
        let cancelled = cancelled.expect("it ran");
        assert!(!holds(&test.store, cancelled.pk, cancelled.fence).await);
        let again: Option<TaskRow> = test.store.write(|tx| async move {
            tx.cancel_task(TaskPk(1), at(51)).await
        }).await.map_err(|error: StoreError| error).unwrap();
        assert!(again.is_none());
    }

    async fn what_nobody_begins_in_time_expires(test: TestStore) {
        environment(&test.store).await;
        insert(&test.store, task(1, "a")).await;
        let expired = |now| test.store.write(move |tx| async move {
            Ok::<_, StoreError>(tx.expired_tasks(now, 10).await?.len())
        });
        assert_eq!(expired(at(100)).await.unwrap(), 0);
        assert_eq!(expired(at(101)).await.unwrap(), 1);
        claim(&test.store, "a", at(101), 1).await;
        assert_eq!(expired(at(200)).await.unwrap(), 0);
    }

    async fn a_key_is_taken_once(test: TestStore) {
        environment(&test.store).await;
        let keyed = |pk| NewTask { idempotency_key: Some("k".to_owned()), ..task(pk, "a") };
        assert!(insert(&test.store, keyed(1)).await);
        assert!(!insert(&test.store, keyed(2)).await);
        assert!(insert(&test.store, task(3, "a")).await);
        assert!(insert(&test.store, task(4, "a")).await);
        let found = test.store.reader().find_keyed_task(CONNECTION, "k").await.unwrap().unwrap();
        assert_eq!(found.id, "task-1");
        assert!(test.store.reader().find_keyed_task(ConnectionPk(8), "k").await.unwrap().is_none());
    }

    async fn a_checkpoint_is_written_over_the_version_that_was_seen(test: TestStore) {
        let put = |value: Option<&'static str>, expected| test.store.write(move |tx| async move {
            tx.put_checkpoint(CONNECTION, "sync:a", value, expected, at(0)).await
        });
        let put = async |value, expected| -> Option<i64> {
            put(value, expected).await.map_err(|error: StoreError| error).unwrap()
        };
        assert_eq!(put(Some("{}"), 0).await, Some(1));
        assert_eq!(put(Some("{}"), 0).await, None);
        assert_eq!(put(Some("{\"a\":1}"), 1).await, Some(2));
        assert_eq!(put(None, 2).await, Some(3));
        let row = test.store.reader().checkpoint(CONNECTION, "sync:a").await.unwrap();
        assert_eq!((row.value, row.version), (None, 3));
    }

    async fn a_reset_takes_one_sync_with_what_belongs_to_it(test: TestStore) {
        test.store.write(|tx| async move {
            for key in ["sync:a", "sync:a:v", "sync:a:trackDeletes:M", "sync:ab", "webhook:a"] {
                tx.put_checkpoint(CONNECTION, key, Some("{}"), 0, at(0)).await?;
            }
            tx.delete_checkpoints(CONNECTION, "sync:a", "sync:a:trackDeletes:").await
        }).await.map_err(|error: StoreError| error).unwrap();
        let reader = test.store.reader();
        for (key, left) in [("sync:a", 0), ("sync:a:trackDeletes:M", 0), ("sync:a:v", 1), ("sync:ab", 1), ("webhook:a", 1)] {
            assert_eq!(reader.checkpoint(CONNECTION, key).await.unwrap().version, left, "{key}");
        }
    }

    async fn a_lock_has_one_owner_until_its_time_is_over(test: TestStore) {
        let take = |owner: &'static str, now| test.store.write(move |tx| async move {
            let until = now_plus(now);
            tx.take_lock(ENVIRONMENT, "k", owner, until, now).await
        });
        assert!(take("a", at(0)).await.unwrap());
        assert!(take("a", at(1)).await.unwrap());
        assert!(!take("b", at(2)).await.unwrap());
        assert!(take("b", at(11)).await.unwrap());
        let dropped = |owner: &'static str| test.store.write(move |tx| async move {
            tx.drop_lock(ENVIRONMENT, "k", owner).await
        });
        assert!(!dropped("a").await.map_err(|error: StoreError| error).unwrap());
        assert!(dropped("b").await.map_err(|error: StoreError| error).unwrap());
        assert!(take("a", at(12)).await.unwrap());
    }
}

fn now_plus(now: Timestamp) -> Timestamp {
    now.plus(Duration::from_secs(10))
}
