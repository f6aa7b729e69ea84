//! `tenon audit`: who read which secret.

use std::{path::PathBuf, process::ExitCode};

use serde_json::Value;

use super::server::{Client, ServerArgs, segment};
use crate::ui;

const HELP: &str = "\
One line per reader, thing read and minute, the newest first.

Examples:
  tenon audit -e prod
  tenon audit --subject hubspot/customer-7     who read the credentials of a connection";

/// Arguments of `tenon audit`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Only this connection, as `integration/connection id`, or this integration
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Lines to show
    #[arg(short = 'n', long, value_name = "N", default_value = "100")]
    lines: usize,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// Folder to look for `.env` and a running `tenon dev` from
    #[arg(long, value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

/// Lists.
pub(crate) fn run(args: Args) -> ExitCode {
    super::ended(super::block_on(audit(&args)))
}

async fn audit(args: &Args) -> anyhow::Result<()> {
    let client = Client::new(&args.server.target(&args.path)?)?;
    let (mut cursor, mut left) = (String::new(), args.lines);
    while left > 0 {
        let mut path = format!("/audit/secret-reads?limit={}", left.min(1_000));
        if let Some(subject) = &args.subject {
            path.push_str(&format!("&subject={}", segment(subject)));
        }
        if !cursor.is_empty() {
            path.push_str(&format!("&cursor={cursor}"));
        }
        let page: Value = client.get(&path).await?;
        let reads = page["reads"].as_array().cloned().unwrap_or_default();
        for read in &reads {
            ui::say(if args.json {
                read.to_string()
            } else {
                line(read)
            });
        }
        left = left.saturating_sub(reads.len());
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    Ok(())
}

fn line(read: &Value) -> String {
    let named = |of: &Value| {
        let kind = of["type"].as_str().unwrap_or_default();
        let name = of["name"].as_str();
        name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}"))
    };
    format!(
        "{}  {} read by {} through {}, {} times",
        read["last_at"].as_str().unwrap_or_default(),
        named(&read["subject"]),
        named(&read["reader"]),
        read["door"].as_str().unwrap_or_default(),
        read["reads"]
    )
}
