//! The instance key from where the configuration says it is.

use std::{path::Path, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use tenon_core::{Secret, SharedClock};
use tenon_engine::keys::vault::{AwsKms, AwsKmsOptions, Transit, TransitOptions};
use tenon_store::{KeyVault, parse_instance_key, parse_instance_keys};
use tokio::process::Command;

use crate::config::{Config, InstanceKeyPlace};

/// How long `encryption_key_command` may take: somebody may have to touch a token.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

type Key = Secret<[u8; 32]>;

/// What the store is opened with.
pub(super) struct InstanceKey {
    pub(super) given: Option<Key>,
    pub(super) previous: Vec<Key>,
    pub(super) file: Option<PathBuf>,
    pub(super) vault: Option<Arc<dyn KeyVault>>,
}

/// Reads keys and runs the command; key services are asked when the database is opened.
pub(super) async fn find(
    config: &Config,
    data_dir: &Path,
    clock: &SharedClock,
) -> anyhow::Result<InstanceKey> {
    let mut found = InstanceKey {
        given: None,
        previous: Vec::new(),
        file: Some(data_dir.join("instance.key")),
        vault: None,
    };
    for key in &config.previous_encryption_keys {
        let key = parse_instance_key(key.expose()).context("`previous_encryption_keys`")?;
        found.previous.push(key);
    }
    match &config.instance_key {
        InstanceKeyPlace::File(None) => {}
        InstanceKeyPlace::File(Some(file)) => found.file = Some(file.clone()),
        InstanceKeyPlace::Given(key) => {
            found.given = Some(parse_instance_key(key.expose()).context("`encryption_key`")?);
        }
        InstanceKeyPlace::Command(command) => {
            let mut keys = printed(command)
                .await
                .context("`encryption_key_command`")?
                .into_iter();
            found.given = keys.next();
            found.previous.extend(keys);
        }
        InstanceKeyPlace::Vault(key) => {
            found.vault = Some(Arc::new(Transit::new(TransitOptions {
                url: key.url.clone(),
                mount: key.mount.clone(),
                key: key.key.clone(),
                token: key.token.clone(),
                namespace: key.namespace.clone(),
            })));
        }
        InstanceKeyPlace::AwsKms(key) => {
            let options = AwsKmsOptions {
                url: key.url.clone(),
                region: key.region.clone(),
                key: key.key.clone(),
                access_key_id: key.access_key_id.clone(),
                secret_access_key: key.secret_access_key.clone(),
                session_token: key.session_token.clone(),
            };
            found.vault = Some(Arc::new(AwsKms::new(options, Arc::clone(clock))));
        }
    }
    Ok(found)
}

/// The keys that a command prints; what it says on standard error is for whoever started us.
async fn printed(command: &str) -> anyhow::Result<Vec<Key>> {
    let running = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(COMMAND_TIMEOUT, running)
        .await
        .with_context(|| format!("it did not end within {} s", COMMAND_TIMEOUT.as_secs()))?
        .context("it could not be started")?;
    if !output.status.success() {
        bail!("it failed ({})", output.status);
    }
    let text = String::from_utf8(output.stdout).ok();
    let keys = text.as_deref().map(parse_instance_keys).transpose()?;
    let keys = keys.unwrap_or_default();
    anyhow::ensure!(!keys.is_empty(), "it printed no key");
    Ok(keys)
}
