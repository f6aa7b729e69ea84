//! The outbox: events, the deliveries they become, the endpoints they go to.

pub(crate) mod claim;
pub(crate) mod dialect;
pub(crate) mod feed;
pub(crate) mod finish;
pub(crate) mod list;

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk},
};

pub use claim::{Claim, ClaimedDelivery, DueEndpoint, Found};
pub use feed::FeedEvent;
pub use finish::{EndpointTurn, Finished, Outcome};
pub use list::{AttemptRow, DeliveryFilter, DeliveryRow};

use crate::{SealContext, StoreError, Tx, params};

crate::statements! {
    ENVIRONMENT_URLS = "
        SELECT primary_url, secondary_url FROM environment WHERE pk = $1";
    CONNECTION_URL = "
        SELECT webhook_url_override FROM connection WHERE pk = $1";
    ENDPOINT_FIND = "
        SELECT pk FROM endpoint WHERE environment_pk = $1 AND url = $2";
    ENDPOINT_INSERT = "
        INSERT INTO endpoint (pk, environment_pk, url, failures) VALUES ($1, $2, $3, 0)
        ON CONFLICT (environment_pk, url) DO NOTHING";
    EVENT_INSERT = "
        INSERT INTO event (pk, id, environment_pk, connection_pk, kind, body, headers, created_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    DELIVERY_INSERT = "
        INSERT INTO delivery (pk, id, event_pk, environment_pk, endpoint_pk, connection_pk, state, attempts, next_at_us,
            fence, operation_id, created_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, 0, $8, $7)";
}

/// Something the app is to be told.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub pk: i64,
    /// `webhook-id` of every delivery.
    pub id: String,
    pub environment: EnvironmentPk,
    pub connection: Option<ConnectionPk>,
    pub kind: &'static str,
    /// The exact bytes to send.
    pub body: Bytes,
    /// Extra headers of a forward: a JSON list of pairs.
    pub headers: Option<Bytes>,
    pub created_at: Timestamp,
}

/// A delivery of an event to one endpoint.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub pk: i64,
    pub id: String,
    pub event_pk: i64,
    pub environment: EnvironmentPk,
    pub endpoint_pk: i64,
    pub connection: Option<ConnectionPk>,
    pub operation: Option<String>,
    pub created_at: Timestamp,
}

impl Tx {
    /// Where the webhooks of a connection go: its own URL, or else those of its environment.
    pub async fn webhook_urls(
        &self,
        environment: EnvironmentPk,
        connection: Option<ConnectionPk>,
    ) -> Result<Vec<String>, StoreError> {
        if let Some(connection) = connection
            && let Some(row) = self.find(&CONNECTION_URL, params![connection]).await?
            && let Some(own) = row.get::<Option<String>>(0)?
            && !own.trim().is_empty()
        {
            return Ok(vec![own]);
        }
        let row = self.get(&ENVIRONMENT_URLS, params![environment]).await?;
        let mut urls: Vec<String> = Vec::new();
        for column in 0..2 {
            let url = row.get::<Option<String>>(column)?;
            urls.extend(url.filter(|url| !url.trim().is_empty() && !urls.contains(url)));
        }
        Ok(urls)
    }

    /// The endpoint of a URL, made if it is new.
    pub async fn endpoint(
        &self,
        new_pk: i64,
        environment: EnvironmentPk,
        url: &str,
    ) -> Result<i64, StoreError> {
        if let Some(row) = self.find(&ENDPOINT_FIND, params![environment, url]).await? {
            return row.get(0);
        }
        self.execute(&ENDPOINT_INSERT, params![new_pk, environment, url])
            .await?;
        self.get(&ENDPOINT_FIND, params![environment, url])
            .await?
            .get(0)
    }

    /// Stores an event, sealed.
    pub async fn insert_event(&self, event: &NewEvent) -> Result<(), StoreError> {
        let body = self
            .seal(
                event_seal(event.environment, event.connection, "body", &event.id),
                &event.body,
            )
            .await?;
        let headers = match &event.headers {
            Some(headers) => Some(
                self.seal(
                    event_seal(event.environment, event.connection, "headers", &event.id),
                    headers,
                )
                .await?,
            ),
            None => None,
        };
        let values = params![
            event.pk,
            event.id.as_str(),
            event.environment,
            event.connection,
            event.kind,
            body,
            headers,
            event.created_at,
        ];
        self.execute(&EVENT_INSERT, values).await.map(|_| ())
    }

    /// Stores a delivery that is due now.
    pub async fn insert_delivery(&self, delivery: &NewDelivery) -> Result<(), StoreError> {
        let values = params![
            delivery.pk,
            delivery.id.as_str(),
            delivery.event_pk,
            delivery.environment,
            delivery.endpoint_pk,
            delivery.connection,
            delivery.created_at,
            delivery.operation.clone(),
        ];
        self.execute(&DELIVERY_INSERT, values).await.map(|_| ())
    }
}

/// Context of the sealed columns of an event; the row is its id.
pub(crate) const fn event_seal<'a>(
    environment: EnvironmentPk,
    connection: Option<ConnectionPk>,
    column: &'static str,
    row: &'a str,
) -> SealContext<'a> {
    SealContext {
        environment,
        connection,
        table: "event",
        column,
        row,
    }
}
