//! Message lines of operations, in a file of their own.
//!
//! Writing is best effort: a bounded queue, one writer thread, many lines per commit. When the disk is full or the queue
//! overflows, lines are dropped and counted; nothing else is affected.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
};

use rusqlite::Connection;
use tenon_core::{Timestamp, names::EnvironmentPk};

/// Lines that may wait for the writer; at 1 kB each this is about 16 MB.
const QUEUE_LINES: usize = 16_384;

/// Lines per commit.
const BATCH_LINES: usize = 512;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS message (
        pk INTEGER NOT NULL PRIMARY KEY,
        environment_pk BIGINT NOT NULL,
        operation_id TEXT NOT NULL,
        level TEXT NOT NULL,
        text TEXT NOT NULL,
        payload TEXT,
        at_us BIGINT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS message_operation ON message (operation_id, pk);
";

/// One line.
#[derive(Clone, Debug)]
pub struct MessageRow {
    pub environment: EnvironmentPk,
    pub operation: String,
    pub level: &'static str,
    pub text: String,
    /// JSON text.
    pub payload: Option<String>,
    pub at: Timestamp,
}

/// A line as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    pub pk: i64,
    pub level: String,
    pub text: String,
    pub payload: Option<String>,
    pub at: Timestamp,
}

/// The message file.
#[derive(Clone, Debug)]
pub struct Messages {
    queue: Option<SyncSender<Command>>,
    dropped: Arc<AtomicU64>,
    path: Option<PathBuf>,
}

enum Command {
    Line(MessageRow),
    Flush(SyncSender<()>),
    DeleteBefore(Timestamp),
}

impl Messages {
    /// Opens (or makes) the file and starts its writer.
    pub fn open(path: PathBuf) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(&path)?;
        connection.execute_batch(SCHEMA)?;
        let (queue, lines) = sync_channel(QUEUE_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        std::thread::Builder::new()
            .name("messages".into())
            .spawn(move || write_lines(connection, &lines, &counter))
            .expect("the system can start a thread at start-up");
        Ok(Self {
            queue: Some(queue),
            dropped,
            path: Some(path),
        })
    }

    /// Keeps nothing: for tests that do not look at messages.
    pub fn none() -> Self {
        Self {
            queue: None,
            dropped: Arc::default(),
            path: None,
        }
    }

    /// Queues a line; drops and counts it when the queue is full.
    pub fn write(&self, line: MessageRow) {
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            queue.try_send(Command::Line(line))
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines lost so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns when everything queued before is in the file.
    pub fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (done, wait) = sync_channel(1);
        if queue.send(Command::Flush(done)).is_ok() {
            let _ = wait.recv();
        }
    }

    /// Deletes lines older than `before`, in the background.
    pub fn delete_before(&self, before: Timestamp) {
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(Command::DeleteBefore(before));
        }
    }

    /// Lines of an operation after line `after`, oldest first. Blocks on the file: call it from a blocking thread.
    pub fn list(
        &self,
        operation: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, rusqlite::Error> {
        let Some(path) = &self.path else {
            return Ok(Vec::new());
        };
        self.flush();
        let connection = Connection::open(path)?;
        let mut statement = connection.prepare(
            "SELECT pk, level, text, payload, at_us FROM message
             WHERE operation_id = ?1 AND pk > ?2 ORDER BY pk LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map((operation, after, limit), |row| {
            Ok(StoredMessage {
                pk: row.get(0)?,
                level: row.get(1)?,
                text: row.get(2)?,
                payload: row.get(3)?,
                at: Timestamp::from_micros(row.get(4)?),
            })
        })?;
        rows.collect()
    }
}

fn write_lines(mut connection: Connection, lines: &Receiver<Command>, dropped: &AtomicU64) {
    while let Ok(first) = lines.recv() {
        let mut batch = Vec::new();
        let mut next = Some(first);
        let mut flushes = Vec::new();
        while let Some(command) = next {
            match command {
                Command::Line(line) => batch.push(line),
                Command::Flush(done) => flushes.push(done),
                Command::DeleteBefore(before) => {
                    let _ = connection
                        .execute("DELETE FROM message WHERE at_us < ?1", [before.micros()]);
                }
            }
            next = if batch.len() < BATCH_LINES {
                lines.try_recv().ok()
            } else {
                None
            };
        }
        let count = batch.len() as u64;
        if insert(&mut connection, batch).is_err() {
            dropped.fetch_add(count, Ordering::Relaxed);
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}

fn insert(connection: &mut Connection, batch: Vec<MessageRow>) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    {
        let mut statement = transaction.prepare_cached(
            "INSERT INTO message (environment_pk, operation_id, level, text, payload, at_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for line in batch {
            statement.execute((
                line.environment.0,
                line.operation,
                line.level,
                line.text,
                line.payload,
                line.at.micros(),
            ))?;
        }
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::{MessageRow, Messages};
    use tenon_core::{Timestamp, names::EnvironmentPk};

    #[test]
    fn lines_come_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let messages = Messages::open(folder.path().join("messages.db")).unwrap();
        for number in 0..1_000 {
            messages.write(MessageRow {
                environment: EnvironmentPk(1),
                operation: format!("op{}", number % 2),
                level: "info",
                text: format!("line {number}"),
                payload: None,
                at: Timestamp::from_micros(number),
            });
        }
        let lines = messages.list("op1", 0, 10_000).unwrap();
        assert_eq!(lines.len(), 500);
        assert_eq!(lines[0].text, "line 1");
        assert!(lines.is_sorted_by_key(|line| line.pk));
        assert_eq!(messages.dropped(), 0);
    }
}
