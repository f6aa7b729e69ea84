//! Sealed columns.

use std::collections::HashSet;

use bytes::Bytes;
use tenon_core::names::{ConnectionPk, EnvironmentPk};
use tenon_store::{SealContext, Statement, StoreError, Tx, params};
use tenon_testkit::{TestStore, store_test};

const HERE: SealContext<'_> = SealContext {
    environment: EnvironmentPk(1),
    connection: Some(ConnectionPk(5)),
    table: "record",
    column: "payload",
    row: "r1",
};

static INSERT_ENVIRONMENT: Statement = Statement::new(
    "INSERT_ENVIRONMENT",
    "INSERT INTO environment (pk, uuid, name, public_key, webhook_signing_key, hmac_enabled, public_key_auth,
        on_sync_completion_always, on_auth_creation, on_auth_refresh_error, on_sync_error, on_async_action_completion,
        created_at_us, updated_at_us)
     VALUES ($1, $2, $2, $2, $3, FALSE, 'open', FALSE, FALSE, FALSE, FALSE, FALSE, 0, 0)",
);

/// An environment as its creation makes one: the key first, since a column is sealed with it.
async fn environment(tx: &Tx, pk: i64) -> Result<(), StoreError> {
    let environment = EnvironmentPk(pk);
    tx.create_data_key(environment).await?;
    let context = SealContext {
        environment,
        connection: None,
        table: "environment",
        column: "webhook_signing_key",
        row: "x",
    };
    let sealed = tx.seal(context, b"key").await?;
    tx.execute(&INSERT_ENVIRONMENT, params![pk, format!("e{pk}"), sealed])
        .await?;
    Ok(())
}

store_test! {
    async fn a_sealed_value_opens_in_its_place_only(mut test: TestStore) {
        let sealed = test.store.write(|tx| async move {
            environment(&tx, 1).await?;
            environment(&tx, 2).await?;
            let sealed = tx.seal(HERE, b"secret").await?;
            assert_eq!(tx.open(HERE, &sealed).await?, "secret");
            Ok::<_, StoreError>(sealed)
        }).await.unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));

        test.reopen().await;
        let reader = test.store.reader();
        assert_eq!(reader.open(HERE, &sealed).await.unwrap(), "secret");
        let elsewhere = [
            SealContext { environment: EnvironmentPk(2), ..HERE },
            SealContext { connection: Some(ConnectionPk(6)), ..HERE },
            SealContext { connection: None, ..HERE },
            SealContext { table: "recordp", column: "ayload", ..HERE },
            SealContext { row: "r2", ..HERE },
        ];
        for context in elsewhere {
            let opened = reader.open(context, &sealed).await;
            assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{context:?}");
        }
        let mut changed = sealed.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        let opened = reader.open(HERE, &Bytes::from(changed)).await;
        assert!(matches!(opened, Err(StoreError::Corrupt { .. })));
        let opened = reader.open(HERE, &Bytes::from_static(b"short")).await;
        assert!(matches!(opened, Err(StoreError::Corrupt { .. })));
    }

    async fn a_batch_is_sealed_and_opened_with_one_key(test: TestStore) {
        let sealed = test.store.write(|tx| async move {
            environment(&tx, 1).await?;
            let mut sealer = tx.sealer(EnvironmentPk(1), Some(ConnectionPk(5))).await?;
            sealer.seal("record", "payload", "r1", b"one")
        }).await.unwrap();
        let mut opener = test.store.reader().opener(EnvironmentPk(1), Some(ConnectionPk(5)));
        let opened = opener.open("record", "payload", "r1", &sealed).await.unwrap();
        assert_eq!(opened, "one");
        assert!(opener.open("record", "payload", "r2", &sealed).await.is_err());
        assert_eq!(test.store.reader().open(HERE, &sealed).await.unwrap(), "one");
    }

    async fn no_two_values_of_a_batch_share_a_nonce(test: TestStore) {
        let sealed = test.store.write(|tx| async move {
            environment(&tx, 1).await?;
            let mut sealer = tx.sealer(EnvironmentPk(1), Some(ConnectionPk(5))).await?;
            (0..1_000)
                .map(|_| sealer.seal("record", "payload", "r1", b"one"))
                .collect::<Result<Vec<_>, _>>()
        }).await.unwrap();
        // Behind the format byte and the key's id.
        let nonces: HashSet<&[u8]> = sealed.iter().map(|value| &value[9..21]).collect();
        assert_eq!(nonces.len(), 1_000);
        let reader = test.store.reader();
        for value in sealed.iter().skip(900) {
            let context = SealContext { row: "r1", ..HERE };
            assert_eq!(reader.open(context, value).await.unwrap(), "one");
        }
    }

    async fn a_data_key_that_was_rolled_back_seals_nothing(test: TestStore) {
        let failed: Result<(), StoreError> = test.store.write(|tx| async move {
            environment(&tx, 1).await?;
            Err(StoreError::Missing { statement: "mine" })
        }).await;
        assert!(failed.is_err());
        let sealed = test.store.write(|tx| async move { tx.seal(HERE, b"x").await }).await;
        assert!(matches!(sealed, Err(StoreError::Missing { .. })));
    }

    async fn an_index_hash_depends_on_domain_content_and_instance(mut test: TestStore) {
        let hash = test.store.index_hash("api_key", b"abc");
        assert_ne!(hash, test.store.index_hash("api_key", b"abd"));
        assert_ne!(hash, test.store.index_hash("state", b"abc"));
        assert_ne!(
            test.store.index_hash("ab", b"c"),
            test.store.index_hash("a", b"bc")
        );
        test.reopen().await;
        assert_eq!(hash, test.store.index_hash("api_key", b"abc"));
    }
}
