//! Variants of syncs: the same function for the same connection, with its own schedule and its own records.

use tenon_core::names::{ConnectionId, EnvironmentPk, IntegrationKey};
use tenon_store::{StoreError, work::syncs::SyncToDrop};

use super::commands::{CreateSync, create_sync, drop_sync};
use crate::Engine;

/// Variants of one sync on one connection, the base counted (functions.md, 4.3).
const MAX_VARIANTS: usize = 100;

/// Which variant.
#[derive(Clone, Debug)]
pub struct Variant {
    pub environment: EnvironmentPk,
    pub integration: IntegrationKey,
    pub connection: ConnectionId,
    pub sync: String,
    pub variant: String,
}

/// Why a variant was not created or deleted.
#[derive(Debug, thiserror::Error)]
pub enum VariantError {
    #[error("the variant `base` is always there")]
    Base,
    #[error("no such connection")]
    UnknownConnection,
    #[error("no such sync")]
    UnknownSync,
    #[error("the variant exists")]
    Exists,
    #[error("a sync has at most {MAX_VARIANTS} variants")]
    TooMany,
    #[error("the variant does not exist")]
    Unknown,
    #[error("store failed while changing variants")]
    Store(#[from] StoreError),
}

/// Creates a variant, due at once if the function starts by itself. Returns its id.
pub async fn create(engine: &Engine, variant: Variant) -> Result<String, VariantError> {
    if variant.variant.eq_ignore_ascii_case("base") {
        return Err(VariantError::Base);
    }
    let inner = engine.clone();
    engine
        .store
        .write(move |tx| async move {
            let connection = tx
                .find_connection(
                    variant.environment,
                    variant.integration.as_str(),
                    variant.connection.as_str(),
                )
                .await?
                .ok_or(VariantError::UnknownConnection)?;
            let function = tx
                .find_function(connection.integration, "sync", &variant.sync)
                .await?
                .ok_or(VariantError::UnknownSync)?;
            let syncs = tx.syncs_of_connection(connection.pk).await?;
            let variants: Vec<_> = syncs
                .iter()
                .filter(|sync| sync.name == variant.sync)
                .collect();
            if variants.iter().any(|sync| sync.variant == variant.variant) {
                return Err(VariantError::Exists);
            }
            if variants.len() >= MAX_VARIANTS {
                return Err(VariantError::TooMany);
            }
            let new = CreateSync {
                environment: variant.environment,
                connection: connection.pk,
                name: &variant.sync,
                variant: &variant.variant,
                runs: function.runs.as_deref().unwrap_or_default(),
                auto_start: function.auto_start,
            };
            Ok(create_sync(&tx, &inner, &new).await?)
        })
        .await
}

/// Deletes a variant with its schedule; what runs for it is cancelled.
pub async fn delete(engine: &Engine, variant: Variant) -> Result<(), VariantError> {
    if variant.variant.eq_ignore_ascii_case("base") {
        return Err(VariantError::Base);
    }
    let inner = engine.clone();
    engine
        .store
        .write(move |tx| async move {
            let connection = tx
                .find_connection(
                    variant.environment,
                    variant.integration.as_str(),
                    variant.connection.as_str(),
                )
                .await?
                .ok_or(VariantError::UnknownConnection)?;
            let sync = tx
                .find_sync(connection.pk, &variant.sync, &variant.variant)
                .await?
                .ok_or(VariantError::Unknown)?;
            let sync = SyncToDrop {
                sync: sync.pk,
                active_task: sync.active_task,
            };
            drop_sync(&tx, &inner, sync, "the variant was deleted").await?;
            Ok(())
        })
        .await
}
