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
mod many;
mod mapping;
mod neighbour;
mod node;
mod outbox;
mod raw;
mod records;
mod runs;
mod seed;
mod server;
mod sink;
mod storm;
mod tokens;
mod upstream;

use std::path::PathBuf;

use clap::Parser;

/// What each case measures.
const CASES: &str = "\
Cases:
  start       first answer of a new server, and its memory at rest with workers
  connection  GET /connections/:id beside /health of the same server
  import      POST /connections
  proxy       requests through the proxy beside a bare reverse proxy, 1 KB and 100 KB
  stream      1 GB through the proxy: memory above rest
  action      a trivial action, a fresh isolate each: one client and many, without zod and with it
  isolates    what an isolate costs: first run of a small and of a large bundle, a run from the pool, memory of
              runs that wait for a timer or for an answer, JSON across the border per MB
  runs        asynchronous actions: accepted, and run with a stored result
  mapping     10,000 objects mapped to records, beside the same code in node (if there is one); then saved, with
              record validation at its default and off
  sync        10,000 records in pages of 100, from connection to webhook; GET /records
  records     batchSave beside the same technique on the bare drivers, SQLite and Postgres
  outbox      webhooks sent and written down, beside bare requests
  refresh-storm
              10,000 OAuth2 connections whose tokens end within one minute, refreshed on demand and in the background,
              beside bare requests to the token endpoint; reads meanwhile beside reads before
  many-connections
              GET /connections/:id at random ids of 1,000,000 connections beside 1,000; lists and searches; memory";

/// Measures Tenon beside something that bounds it.
#[derive(Parser)]
#[command(after_help = CASES)]
struct Arguments {
    /// Cases to run, by name; all without arguments
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
    /// A Postgres server to make databases in, for the cases that use one; without it one is started, if installed
    #[arg(long)]
    database_url: Option<String>,
    /// Leaves Postgres out
    #[arg(long, conflicts_with = "database_url")]
    sqlite: bool,
    /// Connections of `refresh-storm` and `many-connections`, to make them small
    #[arg(long)]
    connections: Option<usize>,
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
        with_postgres: !arguments.sqlite,
        connections: arguments.connections,
    };
    cases::run(&settings, &arguments.cases).await
}
