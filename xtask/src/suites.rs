//! `cargo xtask test` and `ci`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    postgres::Cluster,
    report::{Counts, run_beside, run_suite, say},
    tidy, tools,
};

const COMPAT: &str = "tests/compat";

/// Suites in the order they run: cheap ones first.
const SUITES: &[&str] = &["tidy", "clippy", "rust", "postgres", "golden", "compat"];

/// Runs the named suites, or all of them; prints one closing line.
pub(crate) fn test(chosen: &[&str]) -> Result<()> {
    if let Some(unknown) = chosen.iter().find(|name| !SUITES.contains(name)) {
        bail!(
            "`{unknown}` is not a suite; there are {}",
            SUITES.join(", ")
        );
    }
    let wanted = |name: &str| chosen.is_empty() || chosen.contains(&name);
    let started = Instant::now();
    tools::ensure_all()?;
    let cluster = Cluster::start()?;
    let mut total = Counts::default();
    if wanted("tidy") {
        total.add(tidy::suite()?);
    }
    if wanted("clippy") {
        total.add(clippy()?);
    }
    if wanted("rust") {
        total.add(run_suite(("rust".into(), cargo_test(&cluster)))?);
    }
    if wanted("postgres") {
        let mut command = cargo_test(&cluster);
        command
            .args(["--test", "it"])
            .env("TENON_TEST_DATABASE", "postgres");
        let name = "postgres: tests through the doors, again";
        total.add(run_suite((name.into(), command))?);
    }
    if wanted("golden") || wanted("compat") {
        let binary = build_binary()?;
        tools::npm_ci(COMPAT)?;
        for database in ["sqlite", "postgres"] {
            let suite = |name: &str| -> Result<(String, Command)> {
                let command = node_test(name, database, &binary, &cluster)?;
                Ok((format!("{name} on {database}"), command))
            };
            // The recorded conversation waits for what the reference waited for; it has ports of its own.
            total.add(match (wanted("golden"), wanted("compat")) {
                (true, true) => run_beside(suite("golden")?, suite("compat")?)?,
                (true, false) => run_suite(suite("golden")?)?,
                (false, _) => run_suite(suite("compat")?)?,
            });
        }
    }
    drop(cluster);
    say(&format!(
        "\nfinished in {:.0} s",
        started.elapsed().as_secs_f64()
    ));
    say(&format!(
        "{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    ));
    ensure!(total.failed == 0, "{} failed", total.failed);
    Ok(())
}

/// What the compiler and clippy warn about is an error here, and here only.
fn clippy() -> Result<Counts> {
    say("\n== clippy");
    let mut counts = Counts::default();
    if !tools::succeeds(Command::new("cargo").args(["clippy", "--version"])) {
        say("skipped: clippy is not installed\nhint: rustup component add clippy");
        counts.skipped = 1;
        return Ok(counts);
    }
    let mut command = Command::new("cargo");
    command.args(["clippy", "--workspace", "--all-targets", "--profile", "ci"]);
    command.args(["--", "-D", "warnings"]);
    if command.status()?.success() {
        counts.passed = 1;
    } else {
        counts.failed = 1;
    }
    Ok(counts)
}

fn cargo_test(cluster: &Cluster) -> Command {
    let mut command = Command::new("cargo");
    command
        .args([
            "test",
            "--workspace",
            "--profile",
            "ci",
            "--no-fail-fast",
            "--color=never",
        ])
        .env("TENON_TEST_POSTGRES_URL", cluster.url());
    command
}

fn build_binary() -> Result<PathBuf> {
    // The whole workspace, so that features are the same as in the tests and nothing is built twice.
    tools::run(Command::new("cargo").args(["build", "--workspace", "--profile", "ci"]))?;
    let target = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps"])
        .output()?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&target.stdout).context("cargo metadata prints JSON")?;
    let folder = metadata["target_directory"]
        .as_str()
        .context("cargo metadata names the target folder")?;
    Ok(PathBuf::from(folder).join("ci/tenon"))
}

fn node_test(suite: &str, database: &str, binary: &Path, cluster: &Cluster) -> Result<Command> {
    let mut files: Vec<String> = std::fs::read_dir(format!("{COMPAT}/{suite}"))?
        .flatten()
        .map(|entry| format!("{suite}/{}", entry.file_name().to_string_lossy()))
        .filter(|file| file.ends_with(".test.mjs"))
        .collect();
    files.sort();
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-reporter=tap", "--test-concurrency=1"])
        // Of a file, in milliseconds: a browser that never answers ends its file, not the run.
        .arg("--test-timeout=300000")
        .args(files)
        .current_dir(COMPAT)
        .env("TENON_BINARY", binary);
    if database == "postgres" {
        command.env("TENON_TEST_POSTGRES_URL", cluster.url());
    }
    Ok(command)
}
