//! Everything leaves in one sealed file and comes back elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tenon_core::{Secret, random::SystemRandom};
use tenon_engine::transfer::{self, Identity, ImportError, Imported, Imports, Opening};
use tenon_store::{
    Store,
    transfer::{TransferPlace, TransferRow, transferred_columns},
};
use tenon_testkit::TestStore;

use crate::{TestApp, app::Wishes, keys::filled};

fn imports(opening: Opening) -> Imports {
    Imports {
        opening,
        renamed: Vec::new(),
    }
}

async fn taken_in(store: &Store, file: &[u8], opening: Opening) -> Result<Imported, ImportError> {
    transfer::import(store, file, &imports(opening)).await
}

/// Every row of an environment, opened.
async fn rows(app_store: &Store, name: &str) -> Vec<(String, TransferRow)> {
    let reader = app_store.reader();
    let environment = reader
        .find_environment_named(name)
        .await
        .unwrap()
        .unwrap()
        .pk;
    let (mut place, mut all) = (Some(TransferPlace::default()), Vec::new());
    while let Some(at) = place {
        let page = reader.export_page(environment, &at).await.unwrap();
        all.extend(
            page.rows
                .into_iter()
                .map(|row| (page.table.to_owned(), row)),
        );
        place = page.next;
    }
    all
}

async fn exported(app: &TestApp, body: Value) -> Bytes {
    let answer = app.request("POST", "/export").json(&body).send().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.bytes()
}

fn pair() -> (Identity, String) {
    let random: tenon_core::SharedRandom = Arc::new(SystemRandom);
    let identity = Identity::generate(&random);
    let recipient = identity.recipient().unwrap().to_text();
    let text = identity.to_text().into_exposed();
    (
        Identity::parse(&format!("# a comment\n{text}\n")).unwrap(),
        recipient,
    )
}

#[tokio::test]
async fn faults_16_an_export_is_taken_in_elsewhere_with_only_its_key() {
    let app = filled().await;
    let (identity, recipient) = pair();
    let file = exported(&app, json!({"recipient": recipient})).await;
    for secret in ["s3cret", app.secret_key.expose().as_str()] {
        assert!(
            !file
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        );
    }

    // Another instance: its own instance key, no content.
    let other = empty().await;
    let imported = taken_in(&other.store, &file, Opening::Identity(identity.clone()))
        .await
        .unwrap();
    assert_eq!(imported.environments, ["dev"]);
    assert_eq!(
        (imported.known, imported.orphans, imported.foreign),
        (0, 0, 0)
    );
    let here = rows(&app.engine.store, "dev").await;
    assert!(here.len() > 10);
    for table in [
        "connection",
        "record",
        "function",
        "sync",
        "schedule",
        "api_key",
        "integration",
    ] {
        assert!(here.iter().any(|(name, _)| name == table), "no {table}");
    }
    assert_eq!(rows(&other.store, "dev").await, here);
    assert_eq!(imported.new, u64::try_from(here.len()).unwrap());
    // The same keys open the same doors: look-ups have come along.
    let lookup = other
        .store
        .index_hash("api_key", app.secret_key.expose().as_bytes());
    assert!(
        other
            .store
            .reader()
            .find_api_key(lookup)
            .await
            .unwrap()
            .is_some()
    );

    // Once more changes nothing.
    let again = taken_in(&other.store, &file, Opening::Identity(identity))
        .await
        .unwrap();
    assert_eq!((again.new, again.known), (0, imported.new));
    assert_eq!(rows(&other.store, "dev").await, here);
}

#[tokio::test]
async fn one_environment_joins_an_instance_that_has_content_under_another_name() {
    let app = filled().await;
    let passphrase = "correct horse battery";
    let file = exported(
        &app,
        json!({"environments": ["dev"], "passphrase": passphrase}),
    )
    .await;
    let wishes = Wishes {
        seed: Some(2),
        ..Wishes::default()
    };
    let other = TestApp::with(wishes).await;
    let opening = Opening::Passphrase(Secret::new(passphrase.to_owned()));
    let refused = taken_in(&other.engine.store, &file, opening.clone())
        .await
        .unwrap_err();
    assert!(matches!(refused, ImportError::NameTaken(name) if name == "dev"));
    let renamed = Imports {
        opening,
        renamed: vec![("dev".to_owned(), "moved".to_owned())],
    };
    let imported = transfer::import(&other.engine.store, &file[..], &renamed)
        .await
        .unwrap();
    assert_eq!(imported.environments, ["moved"]);
    assert_eq!(imported.orphans, 0);
    // Its own key works here, and its own index key stays what it was.
    let answer = other.anonymous("GET", "/connections/alice?provider_config_key=crm");
    let answer = answer.bearer(app.secret_key.expose()).send().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(
        other.get("/environment").await.json()["data"]["name"],
        "dev"
    );
}

#[tokio::test]
async fn a_wrong_key_or_a_damaged_file_is_noticed() {
    let app = filled().await;
    let (identity, recipient) = pair();
    let file = exported(&app, json!({"recipient": recipient})).await;
    let other = empty().await;
    let open = |file: Vec<u8>, opening: Opening| {
        let store = other.store.clone();
        async move {
            taken_in(&store, &file, opening)
                .await
                .unwrap_err()
                .to_string()
        }
    };
    let good = Opening::Identity(identity);
    let wrong = open(file.to_vec(), Opening::Identity(pair().0)).await;
    assert!(wrong.contains(&recipient), "{wrong}");
    let wrong = open(
        file.to_vec(),
        Opening::Passphrase(Secret::new("x".to_owned())),
    )
    .await;
    assert!(wrong.contains("a passphrase was given"), "{wrong}");
    let mut damaged = file.to_vec();
    let at = damaged.len() / 2;
    damaged[at] ^= 1;
    assert!(open(damaged, good.clone()).await.contains("damaged"));
    let short = open(file[..file.len() - 1].to_vec(), good.clone()).await;
    assert!(short.contains("ends early"), "{short}");
    let strange = open(b"something else\n".to_vec(), good).await;
    assert!(strange.contains("no export"), "{strange}");
}

#[tokio::test]
async fn exports_are_for_operators_and_leave_a_trace() {
    let app = TestApp::start().await;
    let (_, recipient) = pair();
    for wrong in [
        json!({}),
        json!({"recipient": recipient, "passphrase": "long enough text"}),
        json!({"recipient": "x"}),
        json!({"passphrase": "short"}),
    ] {
        assert_eq!(
            app.post("/export", wrong.clone()).await.status(),
            400,
            "{wrong}"
        );
    }
    let body = json!({"environments": ["nope"], "recipient": recipient});
    assert_eq!(app.post("/export", body).await.status(), 404);
    let body = json!({"name": "app", "scopes": ["environment:*"]});
    let key = app.post("/environment/api-keys", body).await.json()["data"]["key"].clone();
    let request = app
        .anonymous("POST", "/export")
        .bearer(key.as_str().unwrap());
    assert_eq!(
        request
            .json(&json!({"recipient": recipient}))
            .send()
            .await
            .status(),
        403
    );

    exported(&app, json!({"recipient": recipient})).await;
    tenon_engine::audit::Auditor::new(app.engine.clone())
        .store()
        .await
        .unwrap();
    let reads = app.get("/audit/secret-reads").await.json();
    assert_eq!(
        (
            &reads["reads"][0]["door"],
            &reads["reads"][0]["subject"]["type"]
        ),
        (&json!("export"), &json!("environment"))
    );
}

/// An instance that has nothing, under an instance key of its own.
async fn empty() -> TestStore {
    let mut other = TestStore::sqlite().await;
    let folder = tempfile::tempdir().unwrap().keep();
    other.store.close().await;
    other.options.url = tenon_store::DatabaseUrl::Sqlite(folder.join("tenon.db"));
    other.options.instance_key = Some(Secret::new([3; 32]));
    other.store = Store::open(other.options.clone()).await.unwrap();
    other
}

/// Tables that stay behind: what is under way, what was logged, and who may look.
const LEFT: &[&str] = &[
    "attempt",
    "auth_result",
    "connect_attempt",
    "connect_session",
    "data_key",
    "delivery",
    "deploy_lock",
    "device_flow",
    "endpoint",
    "event",
    "event_head",
    "function_lock",
    "inbound",
    "instance",
    "job",
    "key_rotation",
    "message",
    "operation",
    "pending_auth",
    "person",
    "person_session",
    "quarantine",
    "record_seen",
    "refresh_lease",
    "revocation",
    "run",
    "schema_migration",
    "secret_read",
    "setup_link",
    "task",
];

/// Columns that stay behind: they point to such tables.
const LEFT_COLUMNS: &[(&str, &str)] = &[
    ("connection", "auth_error_log_id"),
    ("connection", "deleted_at_us"),
    ("connection", "sync_error_log_id"),
    ("schedule", "active_task_pk"),
    ("sync", "deleted_at_us"),
];

#[tokio::test]
async fn no_column_is_forgotten() {
    let test = TestStore::sqlite().await;
    static COLUMNS: tenon_store::Statement = tenon_store::Statement::new(
        "COLUMNS",
        "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    );
    let carried: Vec<(&str, &str)> = transferred_columns()
        .chain(LEFT_COLUMNS.iter().copied())
        .collect();
    let mut forgotten = Vec::new();
    for row in test.store.reader().query(&COLUMNS, &[]).await.unwrap() {
        let (table, column): (String, String) = (row.get(0).unwrap(), row.get(1).unwrap());
        let is_known = carried.contains(&(table.as_str(), column.as_str()));
        if !is_known && !LEFT.contains(&table.as_str()) {
            forgotten.push(format!("{table}.{column}"));
        }
    }
    assert_eq!(
        forgotten,
        Vec::<String>::new(),
        "an export carries it (store: transfer/tables.rs), or it stands in LEFT"
    );
}
