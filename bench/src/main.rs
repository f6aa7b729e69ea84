//! The load harness: starts the `tenon` binary and what it is compared with, in one run, and prints figures.
//!
//! `cargo build --release && cargo run --release -p tenon-bench`; `--help` lists the cases. Everything runs on loopback, on
//! the cores that are there; quote medians and ratios.
#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]

mod cases;
mod database;
mod http;
mod import;
mod isolates;
mod load;
mod neighbour;
mod node;
mod outbox;
mod raw;
mod records;
mod runs;
mod server;
mod sink;
mod upstream;

use std::path::PathBuf;

use clap::Parser;

/// Measures Tenon beside something that bounds it.
#[derive(Parser)]
struct Arguments {
    /// Cases to run: start, connection, import, proxy, stream, action, isolates, runs, sync, records, outbox; all without
    /// arguments
    cases: Vec<String>,
    /// The binary to measure
    #[arg(long, default_value = "target/release/tenon")]
    binary: PathBuf,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Clients at a time
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Rounds of each measurement; the median is printed
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A Postgres server to make databases in, for `records` and `outbox`; without it one is started, if installed
    #[arg(long)]
    database_url: Option<String>,
    /// Used by itself: a bare reverse proxy to this address
    #[arg(long, hide = true)]
    neighbour: Option<String>,
    /// Used by itself: the fake provider
    #[arg(long, hide = true)]
    upstream: bool,
    /// Used by itself: the webhook receiver
    #[arg(long, hide = true)]
    sink: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(target) = arguments.neighbour {
        return neighbour::run(&target).await;
    }
    if arguments.upstream {
        return upstream::run().await;
    }
    if arguments.sink {
        return sink::run().await;
    }
    let settings = cases::Settings {
        binary: arguments.binary.canonicalize()?,
        seconds: arguments.seconds,
        clients: arguments.clients,
        rounds: arguments.rounds,
        database_url: arguments.database_url,
    };
    cases::run(&settings, &arguments.cases).await
}
