//! Instance keys wrapped by key services. The services are fakes of ours that speak the documented wire formats; AWS KMS
//! was tried by hand against `moto` besides.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tenon_core::Secret;
use tenon_engine::{
    keys::{
        Rotations,
        vault::{AwsKms, AwsKmsOptions, Transit, TransitOptions},
    },
    time::SystemClock,
};
use tenon_store::{KeyVault, Store, StoreError, StoreOptions, rotation::Step};
use tenon_testkit::{
    TestStore,
    upstream::{Answer, Received, Upstream},
};
use url::Url;

/// What the fakes do instead of encrypting: the text backwards.
fn turned(text: &str) -> String {
    text.chars().rev().collect()
}

fn body(request: &Received) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn vault(request: &Received) -> Answer {
    if request.header("x-vault-token") != Some("t0ken") {
        return Answer::json(403, &json!({"errors": ["permission denied"]}));
    }
    let body = body(request);
    match request.path() {
        "/v1/secret/transit/encrypt/tenon" => {
            let wrapped = format!("vault:v1:{}", turned(body["plaintext"].as_str().unwrap()));
            Answer::json(
                200,
                &json!({"data": {"ciphertext": wrapped, "key_version": 1}}),
            )
        }
        "/v1/secret/transit/decrypt/tenon" => {
            let wrapped = body["ciphertext"].as_str().unwrap();
            let plain = turned(wrapped.strip_prefix("vault:v1:").unwrap());
            Answer::json(200, &json!({"data": {"plaintext": plain}}))
        }
        path => Answer::json(404, &json!({"errors": [path]})),
    }
}

fn kms(request: &Received) -> Answer {
    let authorization = request.header("authorization").unwrap_or_default();
    if !authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/") {
        return Answer::json(
            400,
            &json!({"__type": "IncompleteSignatureException", "message": "unsigned"}),
        );
    }
    assert!(
        authorization.contains("/eu-central-1/kms/aws4_request"),
        "{authorization}"
    );
    assert!(
        authorization.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-target"),
        "{authorization}"
    );
    let body = body(request);
    assert_eq!(body["KeyId"], "alias/tenon");
    assert_eq!(
        body["EncryptionContext"],
        json!({"purpose": "tenon instance key"})
    );
    match request.header("x-amz-target").unwrap() {
        "TrentService.Encrypt" => {
            let plain = body["Plaintext"].as_str().unwrap();
            let blob = BASE64_STANDARD.encode(turned(plain));
            Answer::json(200, &json!({"CiphertextBlob": blob, "KeyId": "arn"}))
        }
        "TrentService.Decrypt" => {
            let blob = BASE64_STANDARD
                .decode(body["CiphertextBlob"].as_str().unwrap())
                .unwrap();
            let plain = turned(&String::from_utf8(blob).unwrap());
            Answer::json(200, &json!({"Plaintext": plain, "KeyId": "arn"}))
        }
        other => Answer::json(
            400,
            &json!({"__type": "UnknownOperationException", "message": other}),
        ),
    }
}

fn transit_at(upstream: &Upstream, token: &str) -> Arc<dyn KeyVault> {
    Arc::new(Transit::new(TransitOptions {
        url: Url::parse(&upstream.url("/")).unwrap(),
        mount: "secret/transit".to_owned(),
        key: "tenon".to_owned(),
        token: Secret::new(token.to_owned()),
        namespace: None,
    }))
}

fn kms_at(upstream: &Upstream) -> Arc<dyn KeyVault> {
    let options = AwsKmsOptions {
        url: Url::parse(&upstream.url("/")).unwrap(),
        region: "eu-central-1".to_owned(),
        key: "alias/tenon".to_owned(),
        access_key_id: "AKID".to_owned(),
        secret_access_key: Secret::new("secret".to_owned()),
        session_token: None,
    };
    Arc::new(AwsKms::new(options, Arc::new(SystemClock::new())))
}

/// A store of its own, whose instance key only the service can unwrap.
fn options(test: &TestStore, folder: &std::path::Path, vault: &Arc<dyn KeyVault>) -> StoreOptions {
    StoreOptions {
        url: tenon_store::DatabaseUrl::Sqlite(folder.join("tenon.db")),
        instance_key: None,
        key_file: None,
        key_vault: Some(Arc::clone(vault)),
        ..test.options.clone()
    }
}

async fn lives_and_rotates(upstream: &Upstream, vault: Arc<dyn KeyVault>) {
    let (test, folder) = (TestStore::sqlite().await, tempfile::tempdir().unwrap());
    let options = options(&test, folder.path(), &vault);
    let store = Store::open(options.clone()).await.unwrap();
    let hash = store.index_hash("a", b"b");
    assert_eq!(upstream.take().len(), 1, "one call wraps the first key");
    store.close().await;

    let store = Store::open(options.clone()).await.unwrap();
    assert_eq!(store.index_hash("a", b"b"), hash);
    assert_eq!(upstream.take().len(), 1, "one call unwraps it");
    let old = store.instance_key_report().await.unwrap()[0].id.clone();
    let rotations = Rotations::new(store.clone(), test.clock.shared(), test.ids.clone(), "node");
    let rotation = rotations.begin_instance().await.unwrap();
    store.close().await;

    // Killed right after: the service unwraps both keys.
    let store = Store::open(options.clone()).await.unwrap();
    let rotations = Rotations::new(store.clone(), test.clock.shared(), test.ids.clone(), "node");
    while rotations.step(rotation.pk).await.unwrap() != Step::Done {}
    let report = store.instance_key_report().await.unwrap();
    assert_ne!(report[0].id, old);
    assert_eq!(report.iter().filter(|key| key.rows > Some(0)).count(), 1);
    store.close().await;
    upstream.take();
    let store = Store::open(options).await.unwrap();
    assert_eq!(store.index_hash("a", b"b"), hash);
    assert_eq!(upstream.take().len(), 1, "only the key in force is left");
    store.close().await;
    let database = std::fs::read(folder.path().join("tenon.db")).unwrap();
    assert!(!database.is_empty());
}

#[tokio::test]
async fn a_vault_transit_key_wraps_the_instance_key() {
    let upstream = Upstream::start(vault).await;
    lives_and_rotates(&upstream, transit_at(&upstream, "t0ken")).await;
}

#[tokio::test]
async fn an_aws_kms_key_wraps_the_instance_key() {
    let upstream = Upstream::start(kms).await;
    lives_and_rotates(&upstream, kms_at(&upstream)).await;
}

#[tokio::test]
async fn faults_17_a_service_that_refuses_stops_the_start_with_its_reason() {
    let upstream = Upstream::start(vault).await;
    let (test, folder) = (TestStore::sqlite().await, tempfile::tempdir().unwrap());
    let good = transit_at(&upstream, "t0ken");
    let store = Store::open(options(&test, folder.path(), &good))
        .await
        .unwrap();
    store.close().await;
    let file = folder.path().join("tenon.db");
    let before = std::fs::read(&file).unwrap();

    let bad = transit_at(&upstream, "wr0ng");
    let Err(StoreError::Key(sentence)) = Store::open(options(&test, folder.path(), &bad)).await
    else {
        panic!("it opened");
    };
    assert!(sentence.contains("`secret/transit/tenon`"), "{sentence}");
    assert!(sentence.contains("permission denied"), "{sentence}");
    assert!(!sentence.contains("wr0ng"), "{sentence}");
    assert!(
        std::fs::read(&file).unwrap() == before,
        "something was touched"
    );
}

#[tokio::test]
async fn a_service_that_is_busy_is_asked_again() {
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let upstream = Upstream::start(move |request| {
        match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Answer::json(
                400,
                &json!({"__type": "com.amazonaws.kms#ThrottlingException"}),
            ),
            _ => kms(request),
        }
    })
    .await;
    let key = Secret::new([4; 32]);
    let service = kms_at(&upstream);
    let wrapped = service.wrap(&key).await.unwrap();
    assert!(service.unwrap(&wrapped).await.unwrap() == key);
    assert_eq!(upstream.count(), 3);
}
