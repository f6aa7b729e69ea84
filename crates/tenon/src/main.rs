//! The `tenon` command: reads the configuration, builds the rooms, joins them.

mod commands;
mod config;
mod demo;
mod server;
mod ui;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Product integrations in one binary: connect, notify, collect, write back.
#[derive(Parser)]
#[command(name = "tenon", version, propagate_version = true, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tenon dev                          everything on http://localhost:3003, with a demo to try
  tenon serve --public-url https://integrations.example.com
  tenon deploy dev                   compile the functions of this folder and deploy them
  tenon test                         replay recorded fixtures, offline";

#[derive(Subcommand)]
enum Command {
    /// Start everything for development: open on loopback, with demo, watching this folder
    Dev(config::ServerFlags),
    /// Start everything for production: pages ask for a login, loopback egress is refused
    Serve(config::ServerFlags),
    /// Print the effective configuration and where each value comes from
    Config(config::ServerFlags),
    /// Compile the functions of a folder and deploy them to a server
    Deploy(commands::deploy::Args),
    /// Compile the functions of a folder and show what is wrong
    Compile(commands::compile::Args),
    /// Compile and deploy on every save
    Watch(commands::watch::Args),
    /// Replay recorded fixtures of functions, without server or network
    Test(commands::test::Args),
    /// Run functions for a server; started by it, not by people
    #[command(hide = true)]
    Worker,
}

fn main() -> ExitCode {
    // A worker locks itself down before it does anything else, argument parsing included.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == "worker")
    {
        tenon_runtime::worker::main();
    }
    let outcome = match Cli::parse().command {
        Command::Dev(flags) => server::run(&flags, server::Mode::Dev),
        Command::Serve(flags) => server::run(&flags, server::Mode::Serve),
        Command::Config(flags) => commands::config::run(&flags),
        Command::Deploy(args) => return commands::deploy::run(args),
        Command::Compile(args) => return commands::compile::run(args),
        Command::Watch(args) => return commands::watch::run(args),
        Command::Test(args) => return commands::test::run(args),
        Command::Worker => Err(anyhow::anyhow!(
            "`tenon worker` is started by a server, not by people"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}
