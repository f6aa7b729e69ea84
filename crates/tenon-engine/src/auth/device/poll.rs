//! One question to a provider: has the person agreed (RFC 8628, 3.4 and 3.5)?

use std::time::Duration;

use tenon_core::{Secret, Timestamp, names::ConnectionId};
use tenon_providers::Provider;
use tenon_store::{StoreError, device_flows::DeviceFlowRow};

use super::waiting::Waiting;
use crate::{
    Engine,
    auth::{
        conclude::{self, Failure, Flow},
        issue::{self, Issued, Party, Vars},
        oauth2::token,
        request::TokenFailure,
    },
    connections::SettleError,
    operations::OperationState,
};

/// What a provider that is asked too often gets (RFC 8628, 3.5).
const SLOWER_S: i64 = 5;

/// Longest interval after failures that pass.
const SLOWEST_S: i64 = 300;

/// Asks once; whatever the answer, the flow goes on or ends in one commit. A failure of the store leaves it to the next
/// claim.
pub(super) async fn once(engine: &Engine, row: DeviceFlowRow) {
    let id = row.id.clone();
    if let Err(error) = ask(engine, row).await {
        tracing::error!(device_flow.id = %id, "could not go on with a device flow: {error}");
    }
}

async fn ask(engine: &Engine, row: DeviceFlowRow) -> Result<(), StoreError> {
    let opened = row.clone();
    let waiting = engine
        .store
        .write(move |tx| async move { Waiting::open(&tx, &opened).await })
        .await?;
    let found = engine
        .reader()
        .find_integration_by_pk(row.integration)
        .await?;
    let provider = found
        .as_ref()
        .and_then(|integration| engine.catalogue.find(&integration.provider));
    let (Some(integration), Some(provider)) = (found, provider) else {
        let why = "the integration does not exist any more";
        return end(
            engine,
            &row,
            &waiting,
            "failed",
            why,
            OperationState::Failed,
        )
        .await;
    };
    if row.expires_at <= engine.clock.now() {
        let why = "nobody agreed in time";
        return end(
            engine,
            &row,
            &waiting,
            "expired",
            why,
            OperationState::Timeout,
        )
        .await;
    }
    let session = match waiting.session {
        Some(pk) => engine.reader().find_connect_session_by_pk(pk).await?,
        None => None,
    };
    let connection_id =
        ConnectionId::imported(&row.connection_id).map_err(|_| StoreError::Corrupt {
            table: "device_flow",
            column: "connection_id",
            row: row.id.clone(),
        })?;
    let flow = Flow {
        environment: row.environment,
        integration,
        mode: waiting.mode,
        connection_id,
        connection_config: waiting.connection_config.clone(),
        session,
        first_metadata: waiting.settings.clone(),
        ws_client_id: None,
        device_flow: Some(row.id.clone()),
        operation_id: Some(waiting.operation_id.clone()),
        is_pending: false,
    };
    let asked = redeem(engine, &provider, &flow, &waiting.device_code).await;
    match asked.map_err(|failure| Verdict::of(&failure, row.interval_s).ok_or(failure)) {
        Ok(issued) => connect(engine, &flow, &issued).await,
        Err(Ok(Verdict::Later { interval_s })) => put_off(engine, &row, interval_s).await,
        Err(Ok(Verdict::Expired)) => {
            let why = "nobody agreed in time";
            end(
                engine,
                &row,
                &waiting,
                "expired",
                why,
                OperationState::Timeout,
            )
            .await
        }
        Err(Err(failure)) => conclude::give_up(engine, &flow, refusal(failure)).await,
    }
}

async fn redeem(
    engine: &Engine,
    provider: &Provider,
    flow: &Flow,
    device_code: &Secret,
) -> Result<Issued, TokenFailure> {
    let party = Party {
        engine,
        provider,
        integration: &flow.integration,
        connection_config: &flow.connection_config,
    };
    let client = issue::integration_client(&party)?;
    let vars = Vars::new(&party);
    let code = device_code.expose();
    let request = vars.with(|context| token::device_token(provider, &client, code, context))?;
    issue::redeem(party, request).await
}

async fn connect(engine: &Engine, flow: &Flow, issued: &Issued) -> Result<(), StoreError> {
    match conclude::connect(engine, flow, issued).await {
        Ok(_) | Err(SettleError::Rejected(_)) => Ok(()),
        Err(SettleError::Store(error)) => Err(error),
    }
}

/// What a failure means for a flow that goes on or just runs out; anything else ends it.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Later { interval_s: i64 },
    Expired,
}

impl Verdict {
    fn of(failure: &TokenFailure, interval_s: i64) -> Option<Self> {
        let slower = |interval_s: i64| Self::Later {
            interval_s: interval_s.min(SLOWEST_S),
        };
        match failure.cause.as_str() {
            "authorization_pending" => Some(Self::Later { interval_s }),
            "slow_down" => Some(slower(interval_s + SLOWER_S)),
            "expired_token" => Some(Self::Expired),
            _ if failure.is_transient() => Some(slower(interval_s * 2)),
            _ => None,
        }
    }
}

fn refusal(failure: TokenFailure) -> Failure {
    let is_denied = failure.cause == "access_denied";
    Failure {
        kind: if is_denied {
            "access_denied"
        } else {
            "callback_err"
        },
        webhook_type: if is_denied {
            "access_denied".to_owned()
        } else {
            "invalid_callback".to_owned()
        },
        message: failure.reason,
    }
}

async fn put_off(engine: &Engine, row: &DeviceFlowRow, interval_s: i64) -> Result<(), StoreError> {
    let next = next(engine.clock.now(), interval_s);
    let (id, fence) = (row.id.clone(), row.fence);
    engine
        .store
        .write(move |tx| async move {
            tx.put_off_device_flow(&id, fence, interval_s, next)
                .await
                .map(|_| ())
        })
        .await
}

fn next(now: Timestamp, interval_s: i64) -> Timestamp {
    now.plus(Duration::from_secs(interval_s.unsigned_abs()))
}

/// Ends a flow that no provider has refused: nothing is announced, as with a popup that nobody came back from.
async fn end(
    engine: &Engine,
    row: &DeviceFlowRow,
    waiting: &Waiting,
    state: &'static str,
    why: &'static str,
    operation: OperationState,
) -> Result<(), StoreError> {
    let (inner, id, log) = (engine.clone(), row.id.clone(), waiting.operation_id.clone());
    engine
        .store
        .write(move |tx| async move {
            if tx.end_device_flow(&id, state, Some(why)).await? {
                inner
                    .operations
                    .set(&tx, &log, operation, Some(why))
                    .await?;
            }
            Ok(())
        })
        .await
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{TokenFailure, Verdict};

    #[test]
    fn answers_say_whether_and_when_to_ask_again() {
        let said = |cause: &str, status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            Verdict::of(&TokenFailure::answered(cause, "said so", status), 5)
        };
        let later = |interval_s| Some(Verdict::Later { interval_s });
        assert_eq!(said("authorization_pending", 400), later(5));
        // Providers that say it with a 200.
        assert_eq!(said("authorization_pending", 200), later(5));
        assert_eq!(said("slow_down", 400), later(10));
        assert_eq!(said("http_503", 503), later(10));
        assert_eq!(said("http_429", 429), later(10));
        assert_eq!(said("expired_token", 400), Some(Verdict::Expired));
        assert_eq!(said("access_denied", 400), None);
        assert_eq!(said("invalid_grant", 400), None);
    }
}
