//! Somebody who answers in place of the outside: for rehearsals that show requests instead of sending them.

use futures::future::BoxFuture;

use super::{EgressError, EgressRequest, EgressResponse};

/// Gets every request as it would have been sent, credentials included, and answers it. Nothing leaves the process
/// unless the stand-in sends it.
pub trait StandIn: Send + Sync + 'static {
    /// The answer of the outside.
    fn answer(&self, request: EgressRequest) -> BoxFuture<'_, Result<EgressResponse, EgressError>>;
}
