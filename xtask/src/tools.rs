//! Programs that the tests need beside Rust: found, or installed as Debian packages.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail, ensure};

use crate::report::say;

/// A program and how to get it.
struct Tool {
    what: &'static str,
    package: &'static str,
    find: fn() -> Option<PathBuf>,
}

const TOOLS: &[Tool] = &[
    Tool {
        what: "Postgres server",
        package: "postgresql",
        find: postgres_bin,
    },
    Tool {
        what: "PgBouncer",
        package: "pgbouncer",
        find: || {
            in_path("pgbouncer")
                .or_else(|| Some(PathBuf::from("/usr/sbin/pgbouncer")).filter(|path| path.exists()))
        },
    },
    Tool {
        what: "Chromium",
        package: "chromium",
        find: chromium,
    },
    Tool {
        what: "OpenSSL",
        package: "openssl",
        find: || in_path("openssl"),
    },
    Tool {
        what: "npm",
        package: "npm",
        find: || in_path("npm"),
    },
];

/// Finds every tool, installs the missing ones when that is possible, says what to do otherwise.
pub(crate) fn ensure_all() -> Result<()> {
    let missing: Vec<&Tool> = TOOLS
        .iter()
        .filter(|tool| (tool.find)().is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let hint = format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if in_path("apt-get").is_none() || !is_root() {
        bail!(
            "missing: {}\nhint: {hint}",
            missing
                .iter()
                .map(|tool| tool.what)
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    say(&format!("installing {}", packages.join(", ")));
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    run(Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))?;
    for tool in missing {
        ensure!(
            (tool.find)().is_some(),
            "{} is still missing after {hint}",
            tool.what
        );
    }
    Ok(())
}

/// `npm ci` in a folder with a lock file; skipped when nothing changed since the last time.
pub(crate) fn npm_ci(folder: &str) -> Result<()> {
    let lock = std::fs::read(format!("{folder}/package-lock.json"))
        .with_context(|| format!("no lock in {folder}"))?;
    let stamp = PathBuf::from(format!("{folder}/node_modules/.installed-lock"));
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    say(&format!("npm ci in {folder}"));
    let arguments = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ];
    run(Command::new("npm").args(arguments).current_dir(folder))?;
    std::fs::write(stamp, lock)?;
    Ok(())
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("could not start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// Whether a command starts and ends well; what it says is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Folder of `initdb` and `postgres`.
pub(crate) fn postgres_bin() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
}

fn chromium() -> Option<PathBuf> {
    in_path("chromium").or_else(|| in_path("google-chrome"))
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.exists())
}

/// Whether this process runs as root, where Postgres refuses to start.
pub(crate) fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}
