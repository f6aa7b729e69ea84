//! What the command prints for people.
#![expect(clippy::print_stderr, reason = "this is the one module that prints")]

use std::io::Write;

/// Prints a line to standard output. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn say(text: impl AsRef<str>) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{}", text.as_ref()).and_then(|()| output.flush());
}

/// Prints a line to standard error.
pub(crate) fn complain(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// Prints an error with its causes; what it prints reads as one sentence.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
