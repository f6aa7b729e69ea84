//! Apps that are installed and authorised in one go: who comes back may bring an installation, wait for an owner to
//! approve it, or meet one that is connected already (auth-and-proxy.md, 6.6).

use serde_json::Value;
use tenon_core::names::ConnectionId;
use tenon_store::connections::LookupKind;

use super::{Callback, FlowError, FlowErrorKind, callback, pending::Pending};
use crate::auth::{
    conclude::Flow,
    issue::{self, INSTALLATION, Issued, Party, custom},
};

/// What a browser brought back.
pub(super) enum Brought {
    Credentials(Issued),
    /// The person's token only: an owner has to approve the installation first.
    Waiting(Issued),
    /// The installation belongs to this connection, which works.
    Existing(ConnectionId),
}

/// Takes the code, and looks whose the installation is.
pub(super) async fn brought(
    party: Party<'_>,
    callback: &Callback,
    pending: &Pending,
    flow: &Flow,
    state: &str,
) -> Result<Brought, FlowError> {
    let refused = |message: &str| FlowError::new(FlowErrorKind::Callback, message);
    // The number of an installation is no secret: without a code nothing says that this person may use it.
    let code = callback.text("code").ok_or_else(|| {
        refused("the provider sent no code, which would prove that this person may use the installation")
    })?;
    let mut user = callback::exchange(party, pending, code, state).await?;
    let Some(installation) = callback.text(INSTALLATION) else {
        let config = &mut user.connection_config;
        config.insert("pending".to_owned(), true.into());
        config.insert(
            "pendingLog".to_owned(),
            pending.operation_id.as_str().into(),
        );
        if let Some(app_id) = &party.integration.secrets.app_id {
            config.insert("app_id".to_owned(), app_id.as_str().into());
        }
        return Ok(Brought::Waiting(user));
    };
    if !custom::can_reach(party, &user.credentials, installation).await? {
        return Err(refused("this person has no access to the installation"));
    }
    if let Some(existing) = existing(party, flow, installation).await? {
        return Ok(Brought::Existing(existing));
    }
    let mut issued = issue::custom::installed(party, &user.credentials, installation).await?;
    for (name, value) in user.connection_config {
        issued.connection_config.entry(name).or_insert(value);
    }
    Ok(Brought::Credentials(issued))
}

/// Another connection with this installation, if it works.
async fn existing(
    party: Party<'_>,
    flow: &Flow,
    installation: &str,
) -> Result<Option<ConnectionId>, FlowError> {
    let integration = &flow.integration;
    let rows = party
        .engine
        .reader()
        .list_connections_by_lookup(
            integration.pk,
            integration.environment,
            LookupKind::Config,
            INSTALLATION,
            installation,
        )
        .await?;
    let works = |config: &str| {
        let config: Value = serde_json::from_str(config).unwrap_or_default();
        config.get("pending") != Some(&Value::Bool(true))
    };
    let other = rows.into_iter().find(|row| {
        row.connection_id != flow.connection_id.as_str()
            && row.auth_error.is_none()
            && works(&row.connection_config)
    });
    Ok(other.and_then(|row| ConnectionId::imported(&row.connection_id).ok()))
}
