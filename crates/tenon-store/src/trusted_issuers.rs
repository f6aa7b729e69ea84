//! Identity providers of the app that an environment trusts (RFC 8693).

use tenon_core::{Timestamp, names::EnvironmentPk};

use crate::{Reader, Row, StoreError, Tx, params};

macro_rules! columns {
    () => {
        "pk, environment_pk, issuer, audience, jwks_url, user_claim, public_clients, created_at_us"
    };
}

crate::statements! {
    ISSUER_INSERT = "
        INSERT INTO trusted_issuer (pk, environment_pk, issuer, audience, jwks_url, user_claim, public_clients,
            created_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    ISSUER_LIST = concat!("SELECT ", columns!(), " FROM trusted_issuer WHERE environment_pk = $1 ORDER BY pk");
    ISSUER_DELETE = "
        DELETE FROM trusted_issuer WHERE environment_pk = $1 AND pk = $2";
}

/// A trusted issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuerRow {
    pub pk: i64,
    pub environment: EnvironmentPk,
    /// As the `iss` claim has it.
    pub issuer: String,
    /// What the `aud` claim must hold.
    pub audience: String,
    pub jwks_url: String,
    /// The claim that holds the end user's id.
    pub user_claim: String,
    /// Whether a token of this issuer is enough, without a key of the environment.
    pub public_clients: bool,
    pub created_at: Timestamp,
}

impl Tx {
    /// Stores a trusted issuer. The same issuer and audience again is a unique violation.
    pub async fn insert_trusted_issuer(&self, row: &TrustedIssuerRow) -> Result<(), StoreError> {
        let values = params![
            row.pk,
            row.environment,
            row.issuer.as_str(),
            row.audience.as_str(),
            row.jwks_url.as_str(),
            row.user_claim.as_str(),
            row.public_clients,
            row.created_at,
        ];
        self.execute(&ISSUER_INSERT, values).await.map(|_| ())
    }

    /// Forgets a trusted issuer; whether there was one.
    pub async fn delete_trusted_issuer(
        &self,
        environment: EnvironmentPk,
        pk: i64,
    ) -> Result<bool, StoreError> {
        let deleted = self
            .execute(&ISSUER_DELETE, params![environment, pk])
            .await?;
        Ok(deleted > 0)
    }
}

macro_rules! reads {
    ($handle:ident) => {
        impl $handle {
            /// The trusted issuers of an environment, the oldest first.
            pub async fn list_trusted_issuers(
                &self,
                environment: EnvironmentPk,
            ) -> Result<Vec<TrustedIssuerRow>, StoreError> {
                let rows = self.query(&ISSUER_LIST, params![environment]).await?;
                rows.iter().map(TrustedIssuerRow::from_row).collect()
            }
        }
    };
}

reads!(Reader);
reads!(Tx);

impl TrustedIssuerRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            pk: row.get(0)?,
            environment: row.get(1)?,
            issuer: row.get(2)?,
            audience: row.get(3)?,
            jwks_url: row.get(4)?,
            user_claim: row.get(5)?,
            public_clients: row.get(6)?,
            created_at: row.get(7)?,
        })
    }
}
