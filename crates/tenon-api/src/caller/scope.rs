//! What a key may do.

/// A right that a handler asks for, as a type.
pub trait Scope: Send + Sync + 'static {
    /// The name on the wire.
    const NAME: &'static str;
}

macro_rules! scopes {
    ($($name:ident = $text:literal;)*) => {
        $(
            #[doc = concat!("`", $text, "`")]
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl Scope for $name {
                const NAME: &'static str = $text;
            }
        )*
    };
}

scopes! {
    ListIntegrations = "environment:integrations:list";
    ReadIntegrations = "environment:integrations:read";
    CreateIntegrations = "environment:integrations:create";
    UpdateIntegrations = "environment:integrations:update";
    DeleteIntegrations = "environment:integrations:delete";
    ListFunctions = "environment:integrations:list_functions";
    ListConnections = "environment:connections:list";
    ReadConnections = "environment:connections:read";
    CreateConnections = "environment:connections:create";
    UpdateConnections = "environment:connections:update";
    DeleteConnections = "environment:connections:delete";
    WriteConnectSessions = "environment:connect_sessions:write";
    UseProxy = "environment:proxy";
    ReadVariables = "environment:variables:read";
    WriteVariables = "environment:variables:write";
    ReadEnvironment = "environment:settings:read";
    WriteEnvironment = "environment:settings:write";
    RotateSigningKey = "environment:webhook_signing_key:rotate";
    CreateEnvironments = "account:environments:create";
    CreateKeys = "account:environments:api_keys:create";
    DeleteKeys = "account:environments:api_keys:delete";
    ReadKeys = "account:keys:read";
    RotateKeys = "account:keys:rotate";
    ReadAudit = "environment:audit:read";
    Revoke = "account:revoke";
    Export = "account:export";
    ReadRecords = "environment:records:read";
    WriteRecords = "environment:records:write";
    ExecuteSyncs = "environment:syncs:execute";
    ReadSyncs = "environment:syncs:read";
    UpdateSyncs = "environment:syncs:update";
    CreateVariants = "environment:syncs:variant:create";
    DeleteVariants = "environment:syncs:variant:delete";
    ExecuteActions = "environment:actions:execute";
    Deploy = "environment:deploy";
    ReadEvents = "environment:events:read";
    ReplayWebhooks = "environment:webhooks:replay";
    ReadOperations = "environment:operations:read";
}

/// To see client ids and secrets of integrations.
pub const READ_INTEGRATION_CREDENTIALS: &str = "environment:integrations:read_credentials";

/// To see credentials of connections.
pub const READ_CONNECTION_CREDENTIALS: &str = "environment:connections:read_credentials";

/// Whether a list of scopes covers a scope (or a star of scopes): equal, or by the prefix before a final `*`.
pub fn covers(held: &[String], wanted: &str) -> bool {
    held.iter().any(|scope| match scope.strip_suffix(":*") {
        Some(prefix) => wanted
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(':')),
        None => scope == wanted,
    })
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_star_covers_what_starts_alike() {
        let held = |scope: &str| vec![scope.to_owned()];
        assert!(covers(&held("environment:*"), "environment:proxy"));
        assert!(covers(
            &held("environment:connections:*"),
            "environment:connections:read"
        ));
        assert!(covers(&held("environment:proxy"), "environment:proxy"));
        assert!(!covers(
            &held("environment:proxy"),
            "environment:proxy:more"
        ));
        assert!(!covers(
            &held("environment:connections:*"),
            "environment:connections_more"
        ));
        assert!(!covers(&held("account:*"), "environment:proxy"));
        assert!(!covers(&[], "environment:proxy"));
    }
}
