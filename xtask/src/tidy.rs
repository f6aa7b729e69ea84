//! `cargo xtask tidy`: what can be checked about the house without running it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::report::{Counts, complain, say};

/// The drawing of ARCHITECTURE.md: each crate and the rooms it may see.
const GRAPH: &[(&str, &[&str])] = &[
    ("tenon-core", &[]),
    ("tenon-store", &["tenon-core"]),
    ("tenon-providers", &["tenon-core"]),
    ("tenon-runtime", &["tenon-core"]),
    (
        "tenon-engine",
        &["tenon-core", "tenon-store", "tenon-providers"],
    ),
    (
        "tenon-api",
        &[
            "tenon-core",
            "tenon-store",
            "tenon-providers",
            "tenon-engine",
        ],
    ),
    (
        "tenon",
        &[
            "tenon-core",
            "tenon-store",
            "tenon-providers",
            "tenon-engine",
            "tenon-api",
            "tenon-runtime",
        ],
    ),
];

/// Dependencies that only one room may have.
const OWNERS: &[(&str, &str)] = &[
    ("rusqlite", "tenon-store"),
    ("tokio-postgres", "tenon-store"),
    ("deadpool-postgres", "tenon-store"),
    ("rquickjs", "tenon-runtime"),
    ("oxc", "tenon-runtime"),
    ("axum", "tenon-api"),
    ("clap", "tenon"),
];

/// Words that have no place in what we ship, with the reason.
const FORBIDDEN: &[(&str, &str)] = &[
    (
        "todo!(",
        "finish it, or name in a comment what would trigger it",
    ),
    ("unimplemented!(", "finish it"),
    ("\"resolved\": \"http", "lock files carry no registry hosts"),
];

type Check = (&'static str, fn() -> Result<Vec<String>>);

const CHECKS: &[Check] = &[
    ("the crate graph is the drawing", crate_graph),
    ("formatting", formatting),
    ("forbidden words", forbidden_words),
    ("links in documents lead somewhere", document_links),
    ("every deliberate difference has a reason", golden_reasons),
    (
        "every row of the specification is held by a test or has a reason",
        specification_rows,
    ),
];

/// Runs all checks for a person.
pub(crate) fn run() -> Result<()> {
    let counts = suite()?;
    ensure!(counts.failed == 0, "{} of the checks failed", counts.failed);
    Ok(())
}

/// Runs all checks as a suite.
pub(crate) fn suite() -> Result<Counts> {
    say("\n== tidy");
    let mut counts = Counts::default();
    for (name, check) in CHECKS {
        let problems = check().with_context(|| format!("while checking: {name}"))?;
        if problems.is_empty() {
            counts.passed += 1;
            say(&format!("ok: {name}"));
        } else {
            counts.failed += 1;
            complain(&format!("FAILED: {name}"));
            problems
                .iter()
                .for_each(|problem| complain(&format!("  {problem}")));
        }
    }
    Ok(counts)
}

fn crate_graph() -> Result<Vec<String>> {
    let allowed: BTreeMap<&str, &[&str]> = GRAPH.iter().copied().collect();
    let mut problems = Vec::new();
    for package in packages()? {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(rooms) = allowed.get(name) else {
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let other = dependency["name"].as_str().unwrap_or_default();
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            if other.starts_with("tenon") && !rooms.contains(&other) {
                problems.push(format!("`{name}` must not see `{other}`"));
            }
            if let Some((_, owner)) = OWNERS.iter().find(|(crate_name, _)| *crate_name == other)
                && *owner != name
            {
                problems.push(format!(
                    "`{name}` must not depend on `{other}`: only `{owner}` may"
                ));
            }
        }
    }
    Ok(problems)
}

fn packages() -> Result<Vec<serde_json::Value>> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps"])
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    Ok(metadata["packages"].as_array().cloned().unwrap_or_default())
}

fn formatting() -> Result<Vec<String>> {
    let status = Command::new("cargo")
        .args(["fmt", "--all", "--check", "--", "-l"])
        .status()?;
    Ok(if status.success() {
        Vec::new()
    } else {
        vec!["run `cargo xtask fix`".to_owned()]
    })
}

fn forbidden_words() -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in tracked_files()? {
        if file.starts_with("xtask/") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        for (word, reason) in FORBIDDEN {
            for (number, _) in text
                .lines()
                .enumerate()
                .filter(|(_, line)| line.contains(word))
            {
                problems.push(format!("{file}:{}: `{word}`: {reason}", number + 1));
            }
        }
    }
    Ok(problems)
}

fn document_links() -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in tracked_files()?
        .into_iter()
        .filter(|file| file.ends_with(".md"))
    {
        let text = std::fs::read_to_string(&file)?;
        let folder = Path::new(&file).parent().unwrap_or_else(|| Path::new(""));
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
        {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty()
                || path.contains("://")
                || path.starts_with("mailto:")
                || path.contains(' ')
            {
                continue;
            }
            if !folder.join(path).exists() && !Path::new(path.trim_start_matches('/')).exists() {
                problems.push(format!("{file}: `{target}` is not there"));
            }
        }
    }
    Ok(problems)
}

fn golden_reasons() -> Result<Vec<String>> {
    let file = "tests/compat/golden-allow.txt";
    let text = std::fs::read_to_string(file)?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
    Ok(lines
        .filter(|(_, line)| {
            line.split_once(" -- ")
                .is_none_or(|(_, reason)| reason.trim().is_empty())
        })
        .map(|(number, line)| format!("{file}:{}: `{line}` has no reason", number + 1))
        .collect())
}

/// Compares `tests/compat/spec-rows.txt` with the tables of `docs/reference/compatibility.md`, both ways, and looks whether
/// the tests named there exist.
fn specification_rows() -> Result<Vec<String>> {
    let wanted = std::fs::read_to_string("tests/compat/spec-rows.txt")?;
    let mut wanted: BTreeSet<&str> = wanted
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let golden = std::fs::read_to_string("tests/compat/golden/nango-0.71.4.jsonl")?;
    let page = std::fs::read_to_string("docs/reference/compatibility.md")?;
    let mut problems = Vec::new();
    let mut section = "";
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        let Some((row, held)) = line
            .strip_prefix("| ")
            .and_then(|line| line.rsplit_once(" | "))
        else {
            continue;
        };
        let held = held.trim_end_matches('|').trim();
        if row == "Row" {
            continue;
        }
        let row = format!("{section}: {}", row.replace("\\|", "|"));
        if !wanted.remove(row.as_str()) {
            problems.push(format!("`{row}` is not in spec-rows.txt, or stands twice"));
        }
        if let Some(reason) = held.strip_prefix('—') {
            if reason.trim().is_empty() {
                problems.push(format!("`{row}` has no reason"));
            }
            continue;
        }
        for test in held.split(", ").map(|test| test.trim_matches('`')) {
            let there = match test.strip_prefix("golden:") {
                Some(group) => golden.contains(&format!("\"group\":\"{group}\"")),
                None => Path::new(test).is_file(),
            };
            if !there {
                problems.push(format!("`{row}`: there is no test `{test}`"));
            }
        }
    }
    problems.extend(
        wanted
            .into_iter()
            .map(|row| format!("`{row}` is not in compatibility.md")),
    );
    Ok(problems)
}

fn tracked_files() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()?;
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .map(str::to_owned)
        .collect())
}
