//! `tenon logs`: operations of an environment and what functions logged in them (docs/reference/operations.md).

use std::{collections::HashMap, path::PathBuf, process::ExitCode, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::server::{Client, ClientError, ServerArgs, segment};
use crate::ui;

/// How often `--follow` looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Operations that `--follow` looks at each time: more than can begin in a second of development.
const WINDOW: usize = 100;

const HELP: &str = "\
One line per operation, below it what was logged in it.

Examples:
  tenon logs                         the last 20 operations
  tenon logs --follow                and what happens from now on
  tenon logs --failed -n 5
  tenon logs -i github --function issues -f
  tenon logs 0193f0a2-...            one operation";

/// Arguments of `tenon logs`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Only this operation
    #[arg(value_name = "OPERATION")]
    operation: Option<String>,
    /// Go on with what happens
    #[arg(short, long)]
    follow: bool,
    /// Operations to begin with
    #[arg(short = 'n', long, value_name = "N", default_value = "20")]
    lines: usize,
    /// Only operations of this integration
    #[arg(short, long, value_name = "INTEGRATION")]
    integration: Option<String>,
    /// Only operations about this connection
    #[arg(short, long, value_name = "CONNECTION")]
    connection: Option<String>,
    /// Only runs of this function
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Only operations that failed
    #[arg(long)]
    failed: bool,
    /// Print JSON lines, with whole payloads
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// Folder to look for `.env` and a running `tenon dev` from
    #[arg(long, value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

#[derive(Clone, Deserialize)]
struct Operation {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    title: String,
    state: String,
    provider_config_key: Option<String>,
    connection_id: Option<String>,
    function: Option<String>,
    error: Option<String>,
    created_at: String,
}

#[derive(Deserialize)]
struct Page {
    operations: Vec<Operation>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Lines {
    messages: Vec<Line>,
    next_cursor: String,
}

#[derive(Deserialize)]
struct Line {
    level: String,
    message: String,
    payload: Option<Value>,
    created_at: String,
}

/// Prints; ends at Ctrl-C when following.
pub(crate) fn run(args: Args) -> ExitCode {
    let ended = super::block_on(logs(&args));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn logs(args: &Args) -> anyhow::Result<()> {
    let client = Client::new(&args.server.target(&args.path)?)?;
    let mut log = Log {
        client,
        args,
        told: HashMap::new(),
        last: None,
        since: String::new(),
    };
    if let Some(id) = &args.operation {
        let operation: Operation = log
            .client
            .get(&format!("/operations/{}", segment(id)))
            .await?;
        log.tell(&operation).await?;
    } else {
        let newest = log.newest(args.lines).await?;
        let oldest = newest.last();
        log.since = oldest.map_or_else(String::new, |oldest| oldest.created_at.clone());
        for operation in newest.iter().rev() {
            log.tell(operation).await?;
        }
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            () = tokio::time::sleep(INTERVAL) => {}
        }
        match log.newest(WINDOW).await {
            Ok(operations) => {
                let new = |operation: &&Operation| match &args.operation {
                    Some(id) => operation.id == *id,
                    None => operation.created_at >= log.since,
                };
                let new: Vec<&Operation> = operations.iter().rev().filter(new).collect();
                for operation in new {
                    log.tell(operation).await?;
                }
            }
            // A development server is restarted now and then.
            Err(ClientError::Unreachable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How far an operation has been told.
struct Told {
    state: String,
    cursor: String,
}

struct Log<'a> {
    client: Client,
    args: &'a Args,
    told: HashMap<String, Told>,
    /// Whose lines were printed last.
    last: Option<String>,
    /// What began before this was not asked for.
    since: String,
}

impl Log<'_> {
    /// The newest operations that are meant, newest first.
    async fn newest(&self, count: usize) -> Result<Vec<Operation>, ClientError> {
        let mut found = Vec::new();
        let mut cursor: Option<String> = None;
        let filtered = self.args.integration.is_some()
            || self.args.connection.is_some()
            || self.args.function.is_some()
            || self.args.failed;
        while found.len() < count {
            let mut path = format!("/operations?limit={}", count.clamp(1, WINDOW));
            if let Some(cursor) = &cursor {
                path = format!("{path}&cursor={}", segment(cursor));
            }
            let page: Page = self.client.get(&path).await?;
            found.extend(
                page.operations
                    .into_iter()
                    .filter(|operation| self.means(operation)),
            );
            cursor = page.next_cursor;
            // Following, older ones have been told before.
            if cursor.is_none() || (filtered && !self.told.is_empty()) {
                break;
            }
        }
        found.truncate(count);
        Ok(found)
    }

    fn means(&self, operation: &Operation) -> bool {
        let is =
            |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        is(&self.args.integration, &operation.provider_config_key)
            && is(&self.args.connection, &operation.connection_id)
            && is(&self.args.function, &operation.function)
            && (!self.args.failed || matches!(operation.state.as_str(), "failed" | "timeout"))
    }

    /// Prints what is new about an operation.
    async fn tell(&mut self, operation: &Operation) -> Result<(), ClientError> {
        let told = self.told.get(&operation.id);
        let (known, cursor) = match told {
            Some(told) => (Some(told.state.clone()), told.cursor.clone()),
            None => (None, "0".to_owned()),
        };
        let over = |state: &str| !matches!(state, "waiting" | "running");
        if known.as_deref().is_some_and(over) {
            return Ok(());
        }
        if known.is_none() {
            self.head(operation);
        }
        let cursor = self.lines(operation, cursor).await?;
        if known.is_some_and(|known| known != operation.state) || operation.error.is_some() {
            self.end(operation);
        }
        let state = operation.state.clone();
        self.told
            .insert(operation.id.clone(), Told { state, cursor });
        Ok(())
    }

    async fn lines(
        &mut self,
        operation: &Operation,
        mut cursor: String,
    ) -> Result<String, ClientError> {
        loop {
            let path = format!(
                "/operations/{}/messages?cursor={cursor}",
                segment(&operation.id)
            );
            let lines: Lines = self.client.get(&path).await?;
            if lines.messages.is_empty() {
                return Ok(lines.next_cursor);
            }
            for line in &lines.messages {
                self.line(operation, line);
            }
            cursor = lines.next_cursor;
        }
    }

    fn head(&mut self, operation: &Operation) {
        self.last = Some(operation.id.clone());
        if self.args.json {
            return self.json(
                operation,
                "operation",
                &operation.title,
                None,
                &operation.created_at,
            );
        }
        let about = [&operation.provider_config_key, &operation.connection_id];
        let about: Vec<&str> = about.into_iter().flatten().map(String::as_str).collect();
        let about = if about.is_empty() {
            String::new()
        } else {
            format!("  {}", about.join("/"))
        };
        ui::say(format!(
            "{} {:<9} {}{about}  {}  {}",
            clock(&operation.created_at),
            operation.kind,
            operation.title,
            operation.state,
            operation.id
        ));
    }

    fn line(&mut self, operation: &Operation, line: &Line) {
        if self.args.json {
            let payload = line.payload.as_ref();
            return self.json(
                operation,
                &line.level,
                &line.message,
                payload,
                &line.created_at,
            );
        }
        // Lines of runs side by side say whose they are.
        let whose = if self.last.as_ref() == Some(&operation.id) {
            String::new()
        } else {
            format!(
                "[{}] ",
                operation.function.as_deref().unwrap_or(&operation.id)
            )
        };
        let payload = line.payload.as_ref().map_or_else(String::new, |payload| {
            format!(" {}", shortened(&payload.to_string()))
        });
        ui::say(format!(
            "  {} {:<5} {whose}{}{payload}",
            clock(&line.created_at),
            line.level,
            line.message
        ));
    }

    fn end(&self, operation: &Operation) {
        if self.args.json {
            let text = operation.error.as_deref().unwrap_or_default();
            return self.json(operation, "end", text, None, &operation.created_at);
        }
        let error = operation
            .error
            .as_ref()
            .map_or_else(String::new, |error| format!(": {error}"));
        ui::say(format!("  {} {}{error}", operation.title, operation.state));
    }

    fn json(
        &self,
        operation: &Operation,
        level: &str,
        text: &str,
        payload: Option<&Value>,
        at: &str,
    ) {
        let line = serde_json::json!({
            "operation": operation.id,
            "type": operation.kind,
            "state": operation.state,
            "level": level,
            "message": text,
            "payload": payload,
            "created_at": at,
        });
        ui::say(line.to_string());
    }
}

/// The beginning of a payload; `--json` has it whole.
fn shortened(text: &str) -> String {
    const CHARS: usize = 200;
    let mut short: String = text.chars().take(CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// `12:34:56` of an instant.
fn clock(instant: &str) -> &str {
    instant.get(11..19).unwrap_or(instant)
}
