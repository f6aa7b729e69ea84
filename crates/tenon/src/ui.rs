//! What the command prints for people.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the one module that prints"
)]

use std::io::Write;

/// Prints a line to standard output.
pub(crate) fn say(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
    let _ = std::io::stdout().flush();
}

/// Prints a line to standard error.
pub(crate) fn complain(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// Prints an error with its causes; what it prints reads as one sentence.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
