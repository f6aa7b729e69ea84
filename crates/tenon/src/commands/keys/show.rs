//! What people see.

use serde_json::Value;

use crate::ui;

/// Prints the whole report.
pub(super) fn report(report: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        ui::say(serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    ui::say("instance key");
    keys(&report["instance"]);
    for environment in list(&report["environments"]) {
        ui::say(format!("environment {}", text(&environment["name"])));
        keys(&environment["keys"]);
    }
    if !list(&report["rotations"]).is_empty() {
        ui::say("rotations");
        rotations(report, None);
    }
    Ok(())
}

/// Prints rotations, of these ids only if some are given; whether none of them runs any more.
pub(super) fn rotations(report: &Value, only: Option<&[i64]>) -> bool {
    let mut all_done = true;
    for rotation in list(&report["rotations"]) {
        let id = rotation["id"].as_i64().unwrap_or_default();
        if only.is_some_and(|only| !only.contains(&id)) {
            continue;
        }
        all_done &= rotation["state"] != "running";
        let of = rotation["environment"].as_str().map_or_else(
            || "instance key".to_owned(),
            |name| format!("environment {name}"),
        );
        let mut line = format!(
            "  {of} to {}: {}, {} moved",
            text(&rotation["to_key"]),
            text(&rotation["state"]),
            rotation["moved"]
        );
        if rotation["state"] == "running" {
            line.push_str(&format!(
                ", pass {} at {}",
                rotation["passes"],
                text(&rotation["place"])
            ));
        }
        if rotation["unreadable"] != 0 {
            line.push_str(&format!(", {} that no key opens", rotation["unreadable"]));
        }
        ui::say(line);
    }
    all_done
}

fn keys(keys: &Value) {
    for key in list(keys) {
        let mut line = format!("  {}", text(&key["id"]));
        line.push_str(match (&key["current"], &key["known"]) {
            (Value::Bool(true), _) => "  in force",
            (_, Value::Bool(false)) => "  not known here",
            _ => "  readable",
        });
        if let Some(rows) = key["rows"].as_i64() {
            line.push_str(&format!(", {rows} values"));
        }
        if let Some(since) = key["created_at"].as_str() {
            line.push_str(&format!(", since {since}"));
        }
        ui::say(line);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
