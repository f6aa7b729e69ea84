//! The latest attempt of a connect session.

use tenon_core::{
    Timestamp,
    names::{ConnectSessionPk, EnvironmentPk},
};
use tenon_store::{
    Store, StoreError,
    connect_attempts::{AttemptKey, ConnectAttemptRow},
    connect_sessions::ConnectSessionRow,
};
use tenon_testkit::{TestStore, store_test};

use crate::work::environment;

const SESSION: ConnectSessionPk = ConnectSessionPk(7);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_000 + seconds)
}

async fn session(store: &Store, pk: ConnectSessionPk) {
    let row = ConnectSessionRow {
        pk,
        environment: EnvironmentPk(1),
        environment_name: "dev".to_owned(),
        environment_uuid: String::new(),
        end_user: None,
        organization: None,
        tags: None,
        allowed_integrations: None,
        integrations_config_defaults: None,
        overrides: None,
        webhook_url_override: None,
        connection: None,
        operation_id: None,
        created_at: at(0),
        expires_at: at(1_800),
        manage_connections: false,
        ask_settings: None,
    };
    let lookup = [pk.0.to_le_bytes()[0]; 32];
    let made: Result<(), StoreError> = store
        .write(move |tx| async move { tx.insert_connect_session(&row, lookup).await })
        .await;
    made.unwrap();
}

const fn key(operation: &str) -> AttemptKey<'_> {
    AttemptKey {
        session: SESSION,
        operation_id: Some(operation),
    }
}

async fn begin(store: &Store, operation: &'static str, now: i64) {
    let begun: Result<(), StoreError> = store
        .write(move |tx| async move {
            tx.begin_connect_attempt(key(operation), Some("socket"), "crm", operation, at(now))
                .await
        })
        .await;
    begun.unwrap();
}

async fn fail(store: &Store, operation: &'static str, now: i64) -> bool {
    let failed: Result<bool, StoreError> = store
        .write(move |tx| async move {
            tx.fail_connect_attempt(key(operation), "callback_err", "no", at(now))
                .await
        })
        .await;
    failed.unwrap()
}

async fn connected(store: &Store, operation: &'static str, now: i64) {
    let ended: Result<(), StoreError> = store
        .write(move |tx| async move {
            tx.end_connect_attempt(key(operation), "crm", operation, at(now))
                .await
        })
        .await;
    ended.unwrap();
}

async fn tell(store: &Store) {
    let told: Result<(), StoreError> = store
        .write(move |tx| async move { tx.tell_connect_attempt(SESSION).await })
        .await;
    told.unwrap();
}

async fn find(store: &Store) -> Option<ConnectAttemptRow> {
    store.reader().find_connect_attempt(SESSION).await.unwrap()
}

fn pending(operation: &str, started: i64) -> ConnectAttemptRow {
    ConnectAttemptRow {
        operation_id: Some(operation.to_owned()),
        ws_client_id: Some("socket".to_owned()),
        integration_key: "crm".to_owned(),
        connection_id: operation.to_owned(),
        state: "pending".to_owned(),
        error_type: None,
        error_message: None,
        told: false,
        started_at: at(started),
        ended_at: None,
    }
}

store_test! {
    async fn the_latest_attempt_takes_the_place_of_an_earlier_one(test: TestStore) {
        environment(&test.store).await;
        session(&test.store, SESSION).await;
        assert_eq!(find(&test.store).await, None);
        begin(&test.store, "first", 1).await;
        assert_eq!(find(&test.store).await, Some(pending("first", 1)));
        tell(&test.store).await;
        assert!(!find(&test.store).await.unwrap().told, "there is no end to tell yet");

        assert!(fail(&test.store, "first", 2).await);
        tell(&test.store).await;
        let failed = ConnectAttemptRow {
            state: "failed".to_owned(),
            error_type: Some("callback_err".to_owned()),
            error_message: Some("no".to_owned()),
            told: true,
            ended_at: Some(at(2)),
            ..pending("first", 1)
        };
        assert_eq!(find(&test.store).await, Some(failed));
        begin(&test.store, "second", 3).await;
        assert_eq!(find(&test.store).await, Some(pending("second", 3)), "nothing of the first is left");
    }

    async fn only_the_attempt_under_way_can_fail_and_a_connection_counts_whatever_was_tried(test: TestStore) {
        environment(&test.store).await;
        session(&test.store, SESSION).await;
        assert!(!fail(&test.store, "nobody", 1).await);
        begin(&test.store, "first", 1).await;
        begin(&test.store, "second", 2).await;
        assert!(!fail(&test.store, "first", 3).await, "it was given up");
        assert_eq!(find(&test.store).await, Some(pending("second", 2)));
        // The window that was given up gets there after all.
        connected(&test.store, "first", 4).await;
        let found = find(&test.store).await.unwrap();
        assert_eq!((found.state.as_str(), found.connection_id.as_str()), ("connected", "first"));
        assert_eq!((found.error_type, found.ended_at), (None, Some(at(4))));
        assert!(!fail(&test.store, "second", 5).await, "what has ended well has ended");
        assert!(!fail(&test.store, "first", 5).await);
        tell(&test.store).await;
        assert!(find(&test.store).await.unwrap().told);
        // A failure that another attempt turned into a connection leaves no error behind.
        begin(&test.store, "third", 6).await;
        assert!(fail(&test.store, "third", 7).await);
        connected(&test.store, "fourth", 8).await;
        let found = find(&test.store).await.unwrap();
        assert_eq!((found.state.as_str(), found.error_type, found.told), ("connected", None, false));
    }

    /// A form that is posted begins nothing: its connection is the first that is heard of it.
    async fn a_connection_without_a_beginning_is_noted_and_goes_with_its_session(test: TestStore) {
        environment(&test.store).await;
        session(&test.store, SESSION).await;
        session(&test.store, ConnectSessionPk(8)).await;
        connected(&test.store, "form", 1).await;
        let found = find(&test.store).await.unwrap();
        assert_eq!((found.started_at, found.ended_at), (at(1), Some(at(1))));
        assert_eq!(found.ws_client_id, None);
        let other = test.store.reader().find_connect_attempt(ConnectSessionPk(8)).await;
        assert_eq!(other.unwrap(), None);
        let purged: Result<u64, StoreError> = test
            .store
            .write(move |tx| async move { tx.purge_connect_sessions(at(2_000), 10).await })
            .await;
        assert_eq!(purged.unwrap(), 2);
        assert_eq!(find(&test.store).await, None);
    }
}
