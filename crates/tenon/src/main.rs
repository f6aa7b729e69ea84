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
    #[command(flatten)]
    compatibility: Compatibility,
}

/// Flags of the published command line that every command takes. All but one change nothing here: nothing is updated or
/// reported without them.
#[derive(clap::Args)]
struct Compatibility {
    #[arg(long, global = true, hide = true)]
    debug: bool,
    /// Ask nothing: go on, or fail where a person would have to decide
    #[arg(long, global = true)]
    no_interactive: bool,
    #[arg(long, global = true, hide = true)]
    no_dependency_update: bool,
    #[arg(long, global = true, hide = true)]
    no_telemetry: bool,
}

const EXAMPLES: &str = "\
Examples:
  tenon init integrations            a project to begin with
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
    /// Make a project that works at once, offline
    Init(commands::init::Args),
    /// Write functions, tests, pages or types
    Generate(commands::generate::Args),
    /// `generate function`, as the published command line calls it
    #[command(hide = true)]
    Create(commands::generate::FunctionArgs),
    /// `generate tests`, as the published command line calls it
    #[command(name = "generate:tests", hide = true)]
    GenerateTests(commands::generate::TestsArgs),
    /// `generate docs`, as the published command line calls it
    #[command(name = "generate:docs", hide = true)]
    GenerateDocs(commands::generate::DocsArgs),
    /// Compile the functions of a folder and deploy them to a server
    Deploy(commands::deploy::Args),
    /// Compile the functions of a folder and show what is wrong
    Compile(commands::compile::Args),
    /// Run a function for a real connection and save nothing
    Dryrun(commands::dryrun::Args),
    /// Turn a nango.yaml project into TypeScript definitions
    #[command(alias = "migrate-to-zero-yaml")]
    Migrate(commands::migrate::Args),
    /// Fetch the source of a deployed function
    Pull(commands::pull::Args),
    /// Connect an account: by a link, or with --device by a code typed on another device
    Connect(commands::connect::Args),
    /// Show what happened on a server, and what functions logged
    Logs(commands::logs::Args),
    /// Show the keys that seal what is stored, and replace them
    Keys(commands::keys::Args),
    /// Show who read which secret
    Audit(commands::audit::Args),
    /// Delete connections of a provider, an environment or a customer, and revoke their tokens
    Revoke(commands::revoke::Args),
    /// Write everything into one sealed file
    Export(commands::export::Args),
    /// Take in such a file, or what a running Nango server has
    Import(commands::import::Args),
    /// Look at machine, project and server, and say what to do
    Doctor(commands::doctor::Args),
    /// Look at the provider catalogue, check files of your own
    #[command(subcommand)]
    Providers(commands::providers::Command),
    /// Serve a provider on loopback from recorded fixtures, with faults on request
    Simulate(commands::simulate::Args),
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
    let Cli {
        command,
        compatibility,
    } = Cli::parse();
    let outcome = match command {
        Command::Dev(flags) => server::run(&flags, server::Mode::Dev),
        Command::Serve(flags) => server::run(&flags, server::Mode::Serve),
        Command::Config(flags) => commands::config::run(&flags),
        Command::Init(args) => return commands::init::run(args),
        Command::Generate(args) => return commands::generate::run(args),
        Command::Create(args) => return commands::generate::function(args),
        Command::GenerateTests(args) => return commands::generate::tests(args),
        Command::GenerateDocs(args) => return commands::generate::docs(args),
        Command::Deploy(args) => {
            return commands::deploy::run(args, compatibility.no_interactive);
        }
        Command::Compile(args) => return commands::compile::run(args),
        Command::Dryrun(args) => return commands::dryrun::run(args),
        Command::Migrate(args) => return commands::migrate::run(args),
        Command::Pull(args) => return commands::pull::run(args),
        Command::Audit(args) => return commands::audit::run(args),
        Command::Revoke(args) => return commands::revoke::run(args),
        Command::Export(args) => return commands::export::run(args),
        Command::Import(args) => return commands::import::run(args),
        Command::Keys(args) => return commands::keys::run(args),
        Command::Connect(args) => return commands::connect::run(args),
        Command::Logs(args) => return commands::logs::run(args),
        Command::Doctor(args) => return commands::doctor::run(args),
        Command::Providers(command) => return commands::providers::run(command),
        Command::Simulate(args) => return commands::simulate::run(args),
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
