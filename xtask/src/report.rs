//! What a person reads while it works, and the counts at the end.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};

/// A suite that says nothing for this long hangs. A build from nothing, which is silent here, takes about ten minutes.
const SILENCE: Duration = Duration::from_secs(20 * 60);

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

/// A name to read, and what runs.
pub(crate) type Suite = (String, Command);

/// Runs a suite, passes its output through, counts its tests. A suite that ends with an error but counted no failure
/// counts as one failure: it did not do its work. So does one that hangs; what it was doing is shown, and it is ended.
pub(crate) fn run_suite(suite: Suite) -> Result<Counts> {
    run(suite, &mut say)
}

/// Runs a suite beside another one, to the end of both. What it says is kept until then: it is one that mostly waits.
pub(crate) fn run_beside(waiting: Suite, busy: Suite) -> Result<Counts> {
    let waiting = std::thread::spawn(move || {
        let mut lines = Vec::new();
        let counts = run(waiting, &mut |line| lines.push(line.to_owned()));
        (counts, lines)
    });
    let counts = run_suite(busy);
    let (beside, lines) = waiting.join().map_err(|_| anyhow!("a suite panicked"))?;
    for line in lines {
        say(&line);
    }
    let mut counts = counts?;
    counts.add(beside?);
    Ok(counts)
}

fn run((name, mut command): Suite, say: &mut dyn FnMut(&str)) -> Result<Counts> {
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
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                let line = line?;
                counts.add(count_line(&line));
                say(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                complain(&format!("{name}: nothing for {SILENCE:?}; it ran"));
                end_with_children(child.id())?;
                break;
            }
        }
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

/// Shows a process and all below it, then ends them.
fn end_with_children(root: u32) -> Result<()> {
    let listing = Command::new("ps")
        .args(["-eo", "pid=,ppid=,etime=,args="])
        .output()?;
    let listing = String::from_utf8_lossy(&listing.stdout);
    let family = family(root, &listing);
    for (_, line) in &family {
        complain(line);
    }
    Command::new("kill")
        .arg("-KILL")
        .args(family.iter().map(|(pid, _)| pid.to_string()))
        .status()?;
    Ok(())
}

/// The lines of `ps -eo pid=,ppid=,…` of a process and its descendants, children after their parents.
fn family(root: u32, listing: &str) -> Vec<(u32, &str)> {
    let rows: Vec<(u32, u32, &str)> = listing
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let pid = words.next()?.parse().ok()?;
            Some((pid, words.next()?.parse().ok()?, line))
        })
        .collect();
    let mut found: Vec<(u32, &str)> = rows
        .iter()
        .filter(|(pid, ..)| *pid == root)
        .map(|(pid, _, line)| (*pid, *line))
        .collect();
    let mut next = 0;
    while let Some((parent, _)) = found.get(next).copied() {
        found.extend(
            rows.iter()
                .filter(|(_, of, _)| *of == parent)
                .map(|(pid, _, line)| (*pid, *line)),
        );
        next += 1;
    }
    found
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
    use super::{Counts, count_line, family};

    #[test]
    fn a_family_is_a_process_and_all_below_it() {
        let listing = "  1 0 init\n 20 1 cargo test\n 30 20 it\n 31 30 tenon dev\n 40 1 other\n";
        let pids: Vec<u32> = family(20, listing).iter().map(|(pid, _)| *pid).collect();
        assert_eq!(pids, [20, 30, 31]);
    }

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
