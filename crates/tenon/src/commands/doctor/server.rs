//! The server that deploy, dryrun and logs would talk to.

use std::path::Path;

use reqwest::StatusCode;
use serde_json::Value;
use tenon_core::{Timestamp, clock::Clock as _};
use tenon_engine::time::SystemClock;

use super::{Finding, State};
use crate::commands::server::{Client, ClientError, Request, ServerArgs, TargetError};

const WHAT: &str = "server";

/// Clocks that differ by more refuse each other's signatures and tokens.
const SKEW_SECONDS: i64 = 60;

pub(super) async fn look(args: &ServerArgs) -> Vec<Finding> {
    let target = match args.target(Path::new(".")) {
        Ok(target) => target,
        Err(error @ TargetError::NoKey { .. }) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().to_owned();
            let finding = Finding::new(State::Note, WHAT, first);
            return vec![
                finding.advice("start `tenon dev` here, or set NANGO_SECRET_KEY_<ENVIRONMENT>"),
            ];
        }
        Err(error) => return vec![Finding::new(State::Fail, WHAT, error.to_string())],
    };
    let client = match Client::new(&target) {
        Ok(client) => client,
        Err(error) => return vec![Finding::new(State::Fail, WHAT, error.to_string())],
    };
    let url = &target.url;
    let health = match client.send(Request::get("/health")).await {
        Ok(health) if health.status.is_success() => health,
        Ok(other) => {
            let text = format!("{url} answers {} to /health", other.status);
            return vec![
                Finding::new(State::Fail, WHAT, text)
                    .advice("is this the address of a Tenon server?"),
            ];
        }
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().to_owned();
            return vec![
                Finding::new(State::Warn, WHAT, first)
                    .advice("start it, or name another with --url or NANGO_HOSTPORT"),
            ];
        }
    };
    let mut findings = vec![Finding::new(State::Ok, WHAT, format!("{url} answers"))];
    findings.push(key(&client, &args.environment).await);
    let date = health.headers.iter().find(|(name, _)| name == "date");
    findings.extend(date.and_then(|(_, date)| skew(date)));
    findings
}

async fn key(client: &Client, environment: &str) -> Finding {
    const WHAT: &str = "secret key";
    let found: Result<Value, ClientError> = client.get("/integrations").await;
    match found {
        Ok(found) => {
            let count = found["data"].as_array().map_or(0, Vec::len);
            Finding::new(
                State::Ok,
                WHAT,
                format!("opens `{environment}`, which has {count} integrations"),
            )
        }
        Err(ClientError::Refused {
            status: StatusCode::UNAUTHORIZED,
            ..
        }) => Finding::new(
            State::Fail,
            WHAT,
            format!("the server does not know the key for `{environment}`"),
        )
        .advice("copy it from the server's page, or from .tenon/dev.json of a development server"),
        Err(error) => Finding::new(State::Warn, WHAT, error.to_string()),
    }
}

fn skew(date: &str) -> Option<Finding> {
    let there = http_date(date)?;
    let seconds = (SystemClock::new().now().millis() - there.millis()).abs() / 1_000;
    (seconds > SKEW_SECONDS).then(|| {
        Finding::new(
            State::Warn,
            "clock",
            format!("the server's clock is {seconds} s away from this one"),
        )
        .advice("let both machines take the time from the network")
    })
}

/// `Sun, 22 Nov 2026 17:25:41 GMT`
fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut parts = text.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    Timestamp::parse_iso(&format!("{year}-{month:02}-{day}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::http_date;

    #[test]
    fn dates_of_answers_are_understood() {
        let found = http_date("Sun, 22 Nov 2026 17:25:41 GMT").unwrap();
        assert_eq!(found.iso_millis(), "2026-11-22T17:25:41.000Z");
        assert!(http_date("yesterday").is_none());
    }
}
