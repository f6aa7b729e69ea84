//! What a person reads while it works, and the counts at the end.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result};

/// Prints a line.
#[expect(clippy::print_stdout, reason = "this is the one place that prints")]
pub(crate) fn say(text: &str) {
    println!("{text}");
    let _ = std::io::stdout().flush();
}

/// Prints a line to standard error.
#[expect(clippy::print_stderr, reason = "this is the one place that prints")]
pub(crate) fn complain(text: &str) {
    eprintln!("{text}");
}

/// Tests that ran.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    pub(crate) const fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Runs a suite, passes its output through, counts its tests. A suite that ends with an error but counted no failure
/// counts as one failure: it did not do its work.
pub(crate) fn run_suite(name: &str, command: &mut Command) -> Result<Counts> {
    say(&format!("\n== {name}"));
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("could not start {command:?}"))?;
    let mut counts = Counts::default();
    let output = child.stdout.take().context("the output was asked for")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        counts.add(count_line(&line));
        say(&line);
    }
    let status = child.wait()?;
    if !status.success() && counts.failed == 0 {
        counts.failed = 1;
    }
    if status.success() && counts.passed == 0 {
        complain(&format!("{name}: ended well, but ran no test"));
        counts.failed += 1;
    }
    say(&format!(
        "== {name}: {} passed, {} failed, {} skipped, {:.0?}",
        counts.passed,
        counts.failed,
        counts.skipped,
        started.elapsed()
    ));
    Ok(counts)
}

/// Reads the closing lines of the runners we use: libtest's `test result:` and node's `# pass 3`.
fn count_line(line: &str) -> Counts {
    let mut counts = Counts::default();
    if let Some(rest) = line.strip_prefix("test result: ") {
        let after_dot = rest.split_once(". ").map_or("", |(_, numbers)| numbers);
        for part in after_dot.split(';') {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => counts.passed = number.parse().unwrap_or(0),
                Some((number, "failed")) => counts.failed = number.parse().unwrap_or(0),
                Some((number, "ignored")) => counts.skipped = number.parse().unwrap_or(0),
                _ => {}
            }
        }
    } else if let Some(rest) = line
        .trim_start()
        .strip_prefix("# ")
        .or_else(|| line.strip_prefix("ℹ "))
    {
        match rest.split_once(' ') {
            Some(("pass", number)) => counts.passed = number.parse().unwrap_or(0),
            Some(("fail" | "cancelled", number)) => counts.failed = number.parse().unwrap_or(0),
            Some(("skipped" | "todo", number)) => counts.skipped = number.parse().unwrap_or(0),
            _ => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::{Counts, count_line};

    #[test]
    fn closing_lines_are_understood() {
        let cargo = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(
            count_line(cargo),
            Counts {
                passed: 12,
                failed: 3,
                skipped: 1
            }
        );
        assert_eq!(
            count_line("# pass 7"),
            Counts {
                passed: 7,
                failed: 0,
                skipped: 0
            }
        );
        assert_eq!(
            count_line("ℹ fail 2"),
            Counts {
                passed: 0,
                failed: 2,
                skipped: 0
            }
        );
        assert_eq!(count_line("all good"), Counts::default());
    }
}
