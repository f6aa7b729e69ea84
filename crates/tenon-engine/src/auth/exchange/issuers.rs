//! Which identity providers an environment trusts.

use tenon_core::names::EnvironmentPk;
use tenon_store::{StoreError, trusted_issuers::TrustedIssuerRow};
use url::Url;

use crate::{
    Engine,
    operations::{NewOperation, OperationKind, OperationState},
};

/// Most trusted issuers of an environment: an app has one identity provider, sometimes a few.
const MOST: usize = 20;

/// An issuer to trust.
#[derive(Clone, Debug)]
pub struct NewIssuer {
    pub issuer: String,
    pub audience: String,
    pub jwks_url: String,
    pub user_claim: String,
    pub public_clients: bool,
}

/// Why an issuer is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    #[error("the address of the keys must be an `https` URL, or an `http` one on this machine")]
    KeysUrl,
    #[error("an environment trusts at most {MOST} issuers")]
    TooMany,
    #[error("this issuer is trusted for this audience already")]
    Known,
    #[error("store failed while an issuer was changed")]
    Store(#[from] StoreError),
}

/// Trusts an issuer from now on.
pub async fn trust(
    engine: &Engine,
    environment: EnvironmentPk,
    new: NewIssuer,
) -> Result<TrustedIssuerRow, IssuerError> {
    if !is_safe(&new.jwks_url) {
        return Err(IssuerError::KeysUrl);
    }
    let row = TrustedIssuerRow {
        pk: engine.ids.int(),
        environment,
        issuer: new.issuer,
        audience: new.audience,
        jwks_url: new.jwks_url,
        user_claim: new.user_claim,
        public_clients: new.public_clients,
        created_at: engine.clock.now(),
    };
    let inner = engine.clone();
    let stored = engine
        .store
        .write(move |tx| async move {
            let known = tx.list_trusted_issuers(environment).await?;
            if known.len() >= MOST {
                return Err(IssuerError::TooMany);
            }
            let is_same = |other: &TrustedIssuerRow| {
                other.issuer == row.issuer && other.audience == row.audience
            };
            if known.iter().any(is_same) {
                return Err(IssuerError::Known);
            }
            tx.insert_trusted_issuer(&row).await?;
            let title = format!("issuer `{}` trusted", row.issuer);
            log(&tx, &inner, environment, title).await?;
            Ok(row)
        })
        .await;
    match stored {
        Err(IssuerError::Store(error)) if error.is_unique_violation() => Err(IssuerError::Known),
        other => other,
    }
}

/// Trusts an issuer no longer; whether it was.
pub async fn forget(
    engine: &Engine,
    environment: EnvironmentPk,
    pk: i64,
) -> Result<bool, StoreError> {
    let inner = engine.clone();
    engine
        .store
        .write(move |tx| async move {
            let deleted = tx.delete_trusted_issuer(environment, pk).await?;
            if deleted {
                log(
                    &tx,
                    &inner,
                    environment,
                    "issuer no longer trusted".to_owned(),
                )
                .await?;
            }
            Ok(deleted)
        })
        .await
}

async fn log(
    tx: &tenon_store::Tx,
    engine: &Engine,
    environment: EnvironmentPk,
    title: String,
) -> Result<(), StoreError> {
    let new = NewOperation::new(environment, OperationKind::Admin, title);
    let log = engine.operations.start(tx, new).await?;
    engine
        .operations
        .set(tx, &log, OperationState::Success, None)
        .await
}

/// Keys that travel in clear could be anybody's. Whether this machine may be asked at all is the guard's to say.
fn is_safe(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}
