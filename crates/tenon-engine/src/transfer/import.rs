//! Reads the file.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use tenon_core::{Secret, names::EnvironmentPk};
use tenon_store::{
    Store, StoreError,
    transfer::{Taken, TransferRow},
};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use super::{
    MAGIC,
    key::{KeyError, Lock, Opening, file_key},
    stream::{CHUNK, Opener, TAG},
};

/// Longest head of a file.
const MAX_HEAD_BYTES: u64 = 64 * 1024;

/// Longest line: a record of the largest size, sealed bytes as text.
const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

/// Rows of one transaction.
const SLICE: usize = 100;

/// Why an import did not come to its end. What was taken in stays; the same file can be imported again.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("this is no export, or one of another version")]
    Strange,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the file does not open with this key, or is damaged")]
    Damaged,
    #[error("the file ends early")]
    Short,
    #[error(
        "there is another environment `{0}` here already; choose another name for the imported one"
    )]
    NameTaken(String),
    #[error("the file cannot be read")]
    Read(#[from] std::io::Error),
    #[error("store failed while importing")]
    Store(#[from] StoreError),
}

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Names, as they are here.
    pub environments: Vec<String>,
    pub new: u64,
    /// Rows that were here already.
    pub known: u64,
    /// Rows whose connection or the like went while the export was written.
    pub orphans: u64,
    /// Rows of tables that this version does not know.
    pub foreign: u64,
}

/// How to import.
#[derive(Clone)]
pub struct Imports {
    pub opening: Opening,
    /// Other names for environments: old, new.
    pub renamed: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Head {
    lock: Lock,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Instance { index_key: Secret },
    Environment { pk: i64, name: String },
    End { rows: u64 },
}

#[derive(Deserialize)]
struct RowLine {
    table: String,
    row: TransferRow,
}

/// Takes a file in. Rows that are here already stay as they are, so an import that was cut off is simply done again.
///
/// An instance without content takes over the index key of a whole instance: open the store anew afterwards.
pub async fn import(
    store: &Store,
    mut file: impl AsyncBufRead + Unpin,
    imports: &Imports,
) -> Result<Imported, ImportError> {
    let mut opener = head(&mut file, &imports.opening).await?;
    let mut run = Run {
        store,
        imports,
        environment: None,
        waiting: Vec::new(),
        seen: 0,
        ended: None,
        imported: Imported::default(),
    };
    let mut line = Vec::new();
    let mut next = chunk(&mut file).await?.ok_or(ImportError::Short)?;
    loop {
        let following = chunk(&mut file).await?;
        let opened = opener.open(next, following.is_none());
        for part in opened
            .ok_or(ImportError::Damaged)?
            .split_inclusive(|byte| *byte == b'\n')
        {
            line.extend_from_slice(part);
            if line.len() > MAX_LINE_BYTES {
                return Err(ImportError::Damaged);
            }
            if line.last() == Some(&b'\n') {
                run.line(&line).await?;
                line.clear();
            }
        }
        match following {
            Some(following) => next = following,
            None => break,
        }
    }
    run.flush().await?;
    if run.ended != Some(run.seen) {
        return Err(ImportError::Short);
    }
    Ok(run.imported)
}

async fn head(
    file: &mut (impl AsyncBufRead + Unpin),
    opening: &Opening,
) -> Result<Opener, ImportError> {
    let mut limited = file.take(MAX_HEAD_BYTES);
    let (mut magic, mut head) = (Vec::new(), Vec::new());
    limited.read_until(b'\n', &mut magic).await?;
    if magic != MAGIC {
        return Err(ImportError::Strange);
    }
    limited.read_until(b'\n', &mut head).await?;
    let parsed: Head = serde_json::from_slice(&head).map_err(|_| ImportError::Strange)?;
    let secret = opening.unlock(&parsed.lock)?;
    Ok(Opener::new(file_key(&secret, &head)))
}

/// The next sealed chunk; nothing at the end of the file.
async fn chunk(file: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Vec<u8>>, ImportError> {
    if file.fill_buf().await?.is_empty() {
        return Ok(None);
    }
    let short = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => ImportError::Short,
        _ => ImportError::Read(error),
    };
    let length = file.read_u32().await.map_err(short)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > CHUNK + TAG {
        return Err(ImportError::Damaged);
    }
    let mut chunk = vec![0; length];
    file.read_exact(&mut chunk).await.map_err(short)?;
    Ok(Some(chunk))
}

struct Run<'a> {
    store: &'a Store,
    imports: &'a Imports,
    environment: Option<EnvironmentPk>,
    waiting: Vec<RowLine>,
    seen: u64,
    ended: Option<u64>,
    imported: Imported,
}

impl Run<'_> {
    async fn line(&mut self, line: &[u8]) -> Result<(), ImportError> {
        if let Ok(row) = serde_json::from_slice::<RowLine>(line) {
            self.seen += 1;
            self.waiting.push(row);
            if self.waiting.len() >= SLICE {
                self.flush().await?;
            }
            return Ok(());
        }
        self.flush().await?;
        match serde_json::from_slice(line).map_err(|_| ImportError::Damaged)? {
            Line::Instance { index_key } => self.index_key(&index_key).await,
            Line::Environment { pk, name } => self.begin(EnvironmentPk(pk), name).await,
            Line::End { rows } => {
                self.ended = Some(rows);
                Ok(())
            }
        }
    }

    async fn index_key(&self, key: &Secret) -> Result<(), ImportError> {
        let key = BASE64_STANDARD.decode(key.expose()).ok();
        let key = key.and_then(|key| <[u8; 32]>::try_from(key).ok());
        let key = key.ok_or(ImportError::Damaged)?;
        self.store.adopt_index_key(Secret::new(key)).await?;
        Ok(())
    }

    async fn begin(&mut self, pk: EnvironmentPk, name: String) -> Result<(), ImportError> {
        let name = self.renamed(&name).to_owned();
        let found = self.store.reader().find_environment_named(&name).await?;
        if found.is_some_and(|found| found.pk != pk) {
            return Err(ImportError::NameTaken(name));
        }
        self.environment = Some(pk);
        self.imported.environments.push(name);
        Ok(())
    }

    fn renamed<'n>(&'n self, name: &'n str) -> &'n str {
        let other = self.imports.renamed.iter().find(|(old, _)| old == name);
        other.map_or(name, |(_, new)| new)
    }

    async fn flush(&mut self) -> Result<(), ImportError> {
        let mut rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() {
            return Ok(());
        }
        let environment = self.environment.ok_or(ImportError::Damaged)?;
        for line in rows.iter_mut().filter(|line| line.table == "environment") {
            if let Some(name) = line.row.get("name").and_then(|name| name.as_str()) {
                let name = self.renamed(name).to_owned();
                line.row.insert("name".to_owned(), name.into());
            }
        }
        let taken = self
            .store
            .write(move |tx| async move {
                let mut taken = Vec::with_capacity(rows.len());
                for line in &rows {
                    taken.push(tx.import_row(environment, &line.table, &line.row).await?);
                }
                Ok::<_, StoreError>(taken)
            })
            .await?;
        for one in taken {
            let count = match one {
                Taken::New => &mut self.imported.new,
                Taken::Known => &mut self.imported.known,
                Taken::Orphan => &mut self.imported.orphans,
                Taken::Foreign => &mut self.imported.foreign,
            };
            *count += 1;
        }
        Ok(())
    }
}
