//! Device flows and trusted issuers.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use serde_json::Map;
use tenon_core::{
    Timestamp,
    names::{EnvironmentPk, IntegrationPk},
};
use tenon_store::{
    Store, StoreError,
    device_flows::{DeviceFlowRow, NewDeviceFlow},
    integrations::{IntegrationRow, IntegrationSecrets},
    trusted_issuers::TrustedIssuerRow,
};
use tenon_testkit::{TestStore, store_test};

use crate::work::environment;

const ENVIRONMENT: EnvironmentPk = EnvironmentPk(1);
const INTEGRATION: IntegrationPk = IntegrationPk(5);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_000 + seconds)
}

async fn integration(store: &Store) {
    environment(store).await;
    let row = IntegrationRow {
        pk: INTEGRATION,
        environment: ENVIRONMENT,
        unique_key: "tv".to_owned(),
        provider: "tv".to_owned(),
        display_name: None,
        forward_webhooks: true,
        client_id: None,
        secrets: IntegrationSecrets::default(),
        scopes: None,
        app_link: None,
        config: Map::new(),
        own_callback: false,
        created_at: at(0),
        updated_at: at(0),
    };
    let made: Result<(), StoreError> = store
        .write(move |tx| async move { tx.insert_integration(&row).await })
        .await;
    made.unwrap();
}

/// A flow that is due at `due` seconds.
async fn insert(store: &Store, id: &str, due: i64) {
    let new = NewDeviceFlow {
        id: id.to_owned(),
        environment: ENVIRONMENT,
        integration: INTEGRATION,
        session: None,
        connection_id: "alice".to_owned(),
        payload: Bytes::from_static(b"sealed"),
        interval_s: 5,
        next_poll_at: at(due),
        created_at: at(0),
        expires_at: at(600),
    };
    let made: Result<(), StoreError> = store
        .write(move |tx| async move { tx.insert_device_flow(&new).await })
        .await;
    made.unwrap();
}

async fn claim(store: &Store, now: i64) -> Vec<DeviceFlowRow> {
    let claimed: Result<Vec<DeviceFlowRow>, StoreError> = store
        .write(move |tx| async move {
            let until = at(now).plus(Duration::from_secs(60));
            tx.claim_device_flows(at(now), until, 10).await
        })
        .await;
    claimed.unwrap()
}

async fn put_off(store: &Store, flow: &DeviceFlowRow, next: i64) -> bool {
    let (id, fence) = (flow.id.clone(), flow.fence);
    let done: Result<bool, StoreError> = store
        .write(move |tx| async move { tx.put_off_device_flow(&id, fence, 10, at(next)).await })
        .await;
    done.unwrap()
}

store_test! {
    async fn a_flow_that_is_due_is_claimed_by_one_node_at_a_time(test: TestStore) {
        integration(&test.store).await;
        for number in 0..20 {
            insert(&test.store, &format!("flow-{number}"), 5).await;
        }
        assert_eq!(test.store.reader().next_device_poll().await.unwrap(), Some(at(5)));
        assert!(claim(&test.store, 4).await.is_empty());
        let claims = (0..6).map(|_| claim(&test.store, 5));
        let claimed = futures::future::join_all(claims).await.concat();
        let ids: HashSet<&str> = claimed.iter().map(|flow| flow.id.as_str()).collect();
        assert_eq!(ids.len(), claimed.len(), "nobody got what another has");
        let mut rest = claimed.len();
        while rest < 20 {
            let more = claim(&test.store, 5).await.len();
            assert!(more > 0);
            rest += more;
        }
        // Whoever claimed them does not come back: a minute later somebody else may.
        assert!(claim(&test.store, 64).await.is_empty());
        let again = claim(&test.store, 65).await;
        assert_eq!(again.len(), 10);
        assert_eq!(again[0].fence, 2);
    }

    async fn only_the_last_claim_decides_when_to_ask_again(test: TestStore) {
        integration(&test.store).await;
        insert(&test.store, "flow", 5).await;
        let first = claim(&test.store, 5).await.remove(0);
        let second = claim(&test.store, 65).await.remove(0);
        assert!(!put_off(&test.store, &first, 70).await);
        assert!(put_off(&test.store, &second, 75).await);
        let third = claim(&test.store, 75).await.remove(0);
        assert_eq!((third.interval_s, third.fence), (10, 3));
        let reader = test.store.reader();
        assert_eq!(reader.count_device_flows(ENVIRONMENT).await.unwrap(), 1);
        let end = async |state: &'static str| {
            let ended: Result<bool, StoreError> = test
                .store
                .write(move |tx| async move { tx.end_device_flow("flow", state, None).await })
                .await;
            ended.unwrap()
        };
        assert!(end("connected").await);
        assert!(!end("failed").await, "what has ended has ended");
        assert!(!put_off(&test.store, &third, 80).await);
        assert!(claim(&test.store, 500).await.is_empty());
        assert_eq!(reader.next_device_poll().await.unwrap(), None);
        assert_eq!(reader.count_device_flows(ENVIRONMENT).await.unwrap(), 0);
        let found = reader.find_device_flow(ENVIRONMENT, "flow").await.unwrap().unwrap();
        assert_eq!(found.state, "connected");
        assert!(reader.find_device_flow(EnvironmentPk(2), "flow").await.unwrap().is_none());
        let purge = async |before: i64| {
            let purged: Result<u64, StoreError> = test
                .store
                .write(move |tx| async move { tx.purge_device_flows(at(before), 10).await })
                .await;
            purged.unwrap()
        };
        assert_eq!(purge(600).await, 0);
        assert_eq!(purge(601).await, 1);
    }

    async fn issuers_are_trusted_per_environment_and_audience(test: TestStore) {
        environment(&test.store).await;
        let row = |pk: i64, audience: &str| TrustedIssuerRow {
            pk,
            environment: ENVIRONMENT,
            issuer: "https://id.test".to_owned(),
            audience: audience.to_owned(),
            jwks_url: "https://id.test/jwks".to_owned(),
            user_claim: "sub".to_owned(),
            public_clients: true,
            created_at: at(0),
        };
        let insert = async |row: TrustedIssuerRow| {
            let made: Result<(), StoreError> = test
                .store
                .write(move |tx| async move { tx.insert_trusted_issuer(&row).await })
                .await;
            made
        };
        insert(row(1, "app")).await.unwrap();
        insert(row(2, "other")).await.unwrap();
        assert!(insert(row(3, "app")).await.unwrap_err().is_unique_violation());
        let reader = test.store.reader();
        let listed = reader.list_trusted_issuers(ENVIRONMENT).await.unwrap();
        assert_eq!(listed, [row(1, "app"), row(2, "other")]);
        assert!(reader.list_trusted_issuers(EnvironmentPk(2)).await.unwrap().is_empty());
        let delete = async |environment: EnvironmentPk| {
            let deleted: Result<bool, StoreError> = test
                .store
                .write(move |tx| async move { tx.delete_trusted_issuer(environment, 1).await })
                .await;
            deleted.unwrap()
        };
        assert!(!delete(EnvironmentPk(2)).await);
        assert!(delete(ENVIRONMENT).await);
        assert_eq!(reader.list_trusted_issuers(ENVIRONMENT).await.unwrap().len(), 1);
    }
}
