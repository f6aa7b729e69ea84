//! Writes the file.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use tenon_core::{SharedRandom, Timestamp};
use tenon_store::{Store, StoreError, environments::EnvironmentRow, transfer::TransferPlace};
use tokio::sync::mpsc;

use super::{
    MAGIC,
    key::{KeyError, Sealing, file_key},
    stream::Sealer,
};

/// Why no export came to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("nobody takes the export any more")]
    Gone,
    #[error("store failed while exporting")]
    Store(#[from] StoreError),
}

/// What an export holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub environments: usize,
    pub rows: u64,
}

/// Sends an export of these environments, in pieces. With `whole`, the index key of the instance goes along, so that an empty
/// instance can take its place.
pub async fn export(
    store: &Store,
    environments: &[EnvironmentRow],
    whole: bool,
    sealing: &Sealing,
    random: &SharedRandom,
    now: Timestamp,
    out: mpsc::Sender<Bytes>,
) -> Result<Exported, ExportError> {
    let (lock, secret) = sealing.lock(random)?;
    let head = json!({"created_at": now.iso_millis(), "lock": lock});
    let mut head = head.to_string().into_bytes();
    head.push(b'\n');
    let key = file_key(&secret, &head);
    let mut writer = Writer {
        sealer: Sealer::new(key),
        out,
    };
    writer.send([MAGIC, &head].concat()).await?;
    let mut exported = Exported::default();
    if whole {
        let key = BASE64_STANDARD.encode(store.index_key().expose());
        writer
            .line(&json!({"instance": {"index_key": key}}))
            .await?;
    }
    for environment in environments {
        let line = json!({"environment": {"pk": environment.pk.0, "name": environment.name}});
        writer.line(&line).await?;
        exported.environments += 1;
        let mut place = Some(TransferPlace::default());
        while let Some(at) = place {
            let page = store.reader().export_page(environment.pk, &at).await?;
            for row in page.rows {
                exported.rows += 1;
                writer
                    .line(&json!({"table": page.table, "row": row}))
                    .await?;
            }
            place = page.next;
        }
    }
    writer
        .line(&json!({"end": {"rows": exported.rows}}))
        .await?;
    let last = writer.sealer.finish();
    writer
        .out
        .send(last.into())
        .await
        .map_err(|_| ExportError::Gone)?;
    Ok(exported)
}

struct Writer {
    sealer: Sealer,
    out: mpsc::Sender<Bytes>,
}

impl Writer {
    async fn line(&mut self, line: &Value) -> Result<(), ExportError> {
        let mut text = line.to_string().into_bytes();
        text.push(b'\n');
        let sealed = self.sealer.push(&text);
        if sealed.is_empty() {
            return Ok(());
        }
        self.send(sealed).await
    }

    async fn send(&self, bytes: Vec<u8>) -> Result<(), ExportError> {
        let sent = self.out.send(bytes.into()).await;
        sent.map_err(|_| ExportError::Gone)
    }
}
