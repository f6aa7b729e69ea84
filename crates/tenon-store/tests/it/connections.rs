//! Lists of connections.

use std::time::Duration;

use serde_json::{Map, json};
use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk, IntegrationPk},
};
use tenon_store::{
    Store, StoreError,
    connections::{ConnectionFilter, ConnectionWrite},
    integrations::{IntegrationRow, IntegrationSecrets},
    registered,
};
use tenon_testkit::{TestStore, store_test};

use crate::{records::plan_of, work::environment};

const ENVIRONMENT: EnvironmentPk = EnvironmentPk(1);

/// More than are looked through from the newest on.
const MANY: i64 = 10_050;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// Integrations 5 and 6, and connections from the oldest to the newest: every thousandth is of integration 6, every
/// fifth of a team, and somebody's.
async fn fill(store: &Store) {
    environment(store).await;
    let filled: Result<(), StoreError> = store
        .write(|tx| async move {
            for pk in [5, 6] {
                let row = IntegrationRow {
                    pk: IntegrationPk(pk),
                    environment: ENVIRONMENT,
                    unique_key: format!("i{pk}"),
                    provider: "crm".to_owned(),
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
                tx.insert_integration(&row).await?;
            }
            let credentials = Map::new();
            let (some, none) = (json!({"team": "red"}), json!({}));
            let ids: Vec<String> = (0..MANY).map(|number| format!("User-{number}-")).collect();
            let people: Vec<_> = (0..MANY)
                .map(|number| json!({"id": number.to_string(), "email": format!("{number}@Example.test")}))
                .collect();
            let writes: Vec<_> = (0..MANY)
                .map(|number| ConnectionWrite {
                    pk: ConnectionPk(100 + number),
                    environment: ENVIRONMENT,
                    integration: IntegrationPk(if number % 1_000 == 7 { 6 } else { 5 }),
                    connection_id: &ids[number as usize],
                    provider: "crm",
                    auth_mode: "NONE",
                    credentials: &credentials,
                    credentials_expires_at: None,
                    connection_config: &none,
                    metadata: None,
                    tags: if number % 1_000 == 0 { &some } else { &none },
                    end_user: Some(&people[number as usize]).filter(|_| number % 5 == 0),
                    webhook_url_override: None,
                    now: at(0).plus(Duration::from_secs(number as u64)),
                })
                .collect();
            let stored = writes.iter().map(|write| tx.insert_connection(write));
            futures::future::try_join_all(stored).await.map(drop)
        })
        .await;
    filled.unwrap();
}

async fn list(store: &Store, filter: ConnectionFilter) -> Vec<i64> {
    let found = store.reader().list_connections(ENVIRONMENT, &filter).await;
    found.unwrap().iter().map(|row| row.pk.0 - 100).collect()
}

fn page(limit: i64, offset: i64) -> ConnectionFilter {
    ConnectionFilter {
        limit,
        offset,
        ..ConnectionFilter::default()
    }
}

fn search(text: &str, limit: i64, offset: i64) -> ConnectionFilter {
    ConnectionFilter {
        search: Some(text.to_owned()),
        ..page(limit, offset)
    }
}

store_test! {
    async fn lists_and_searches_bring_the_newest_first_however_many_there_are(test: TestStore) {
        fill(&test.store).await;
        let store = &test.store;
        let newest = MANY - 1;
        assert_eq!(list(store, page(2, 0)).await, [newest, newest - 1]);
        assert_eq!(list(store, page(2, MANY - 1)).await, [0]);
        // Among the newest, a page that they fill and one that they do not.
        assert_eq!(list(store, search("user-1004", 2, 1)).await, [10_048, 10_047]);
        assert_eq!(list(store, search("USER-100", 100, 60)).await, [100]);
        assert_eq!(list(store, search("user-7-", 10, 0)).await, [7]);
        assert_eq!(list(store, search("5@example", 2, 0)).await, [10_045, 10_035]);
        assert_eq!(list(store, search("%", 3, 10_048)).await, [1, 0]);
        assert!(list(store, search("nobody", 10, 0)).await.is_empty());
        let of = |pk: i64, limit, offset| ConnectionFilter {
            integrations: Some(vec![IntegrationPk(pk)]),
            ..page(limit, offset)
        };
        assert_eq!(list(store, of(6, 3, 0)).await, [10_007, 9_007, 8_007]);
        assert_eq!(list(store, of(6, 30, 9)).await, [1_007, 7]);
        assert_eq!(list(store, of(5, 2, 10_037)).await, [1, 0]);
        let mut both = of(6, 5, 0);
        both.search = Some("user-9".to_owned());
        assert_eq!(list(store, both).await, [9_007]);
        let mut red = page(2, 9);
        red.tags = vec![("team".to_owned(), "red".to_owned())];
        assert_eq!(list(store, red).await, [1_000, 0]);
        let mut one = page(10, 0);
        one.connection_id = Some("User-40-".to_owned());
        assert_eq!(list(store, one).await, [40]);
        let mut somebody = page(10, 0);
        somebody.end_user_id = Some("45".to_owned());
        assert_eq!(list(store, somebody).await, [45]);
    }
}

#[tokio::test]
async fn lists_start_from_what_is_asked_for() {
    let test = TestStore::sqlite().await;
    let database = rusqlite::Connection::open(test.folder().unwrap().join("tenon.db")).unwrap();
    let expected = [
        (
            "LIST",
            "SEARCH c USING INDEX connection_environment (environment_pk=?)",
            false,
        ),
        (
            "LIST_NEWEST",
            "SEARCH c USING INDEX connection_environment (environment_pk=? AND created_at_us>?)",
            false,
        ),
        (
            "LIST_ID",
            "SEARCH c USING INDEX connection_environment_id (environment_pk=? AND connection_id=?)",
            true,
        ),
        (
            "LIST_SEARCH",
            "SEARCH a USING COVERING INDEX connection_environment_id (environment_pk=?)",
            true,
        ),
        (
            "LIST_SEARCH",
            "SEARCH b USING COVERING INDEX sqlite_autoindex_connection_lookup_1",
            true,
        ),
        (
            "LIST_INTEGRATIONS",
            "SEARCH c USING INDEX connection_key (integration_pk=?)",
            true,
        ),
        (
            "LIST_LABELLED",
            "SEARCH l USING COVERING INDEX sqlite_autoindex_connection_lookup_1",
            true,
        ),
    ];
    for (name, index, sorts) in expected {
        let name = format!("tenon_store::connections::statements::CONNECTION_{name}");
        let statement = registered().find(|known| known.name == name).unwrap();
        let plan = plan_of(&database, statement.sqlite_text());
        let sorted = plan.contains("TEMP B-TREE FOR ORDER BY");
        assert!(plan.contains(index) && sorted == sorts, "{name}: {plan}");
    }
}
