//! Automation of the workspace: `cargo xtask <command>`.

mod fix;
mod postgres;
mod report;
mod suites;
mod tidy;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  test [SUITE…]  everything that must hold, on both databases and in a real browser; installs what it needs.
                 Suites: tidy, clippy, rust, postgres, golden, compat. All of them without arguments.
  tidy           the crate graph against the drawing, lists against lists, formatting
  fix            formats and applies what clippy can mend
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("test") => suites::test(&rest),
        Some("tidy") => tidy::run(),
        Some("fix") => fix::run(),
        Some("help" | "--help" | "-h") | None => {
            report::say(HELP);
            Ok(())
        }
        Some(other) => Err(anyhow::anyhow!("`{other}` is not a command\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
