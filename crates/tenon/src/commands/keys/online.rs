//! Through a running server.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Place, Wanted, show};
use crate::ui;

/// How often progress is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn report(place: &Place, counted: bool) -> anyhow::Result<Value> {
    let answer: Value = place
        .client()?
        .get(&format!("/keys?count={counted}"))
        .await?;
    answer
        .get("data")
        .cloned()
        .context("the server's answer has no `data`")
}

pub(super) async fn rotate(place: &Place, wanted: &Wanted, no_wait: bool) -> anyhow::Result<()> {
    let body = match &wanted.environments {
        None => json!({"all": true}),
        Some(list) => json!({"instance": wanted.instance, "environments": list}),
    };
    let answer: Value = place.client()?.post("/keys/rotate", &body).await?;
    let begun: Vec<i64> = answer["data"]
        .as_array()
        .map(|list| list.iter().filter_map(|one| one["id"].as_i64()).collect())
        .unwrap_or_default();
    ui::say("the new keys are in force; the server moves what stands under older ones");
    if no_wait {
        return Ok(());
    }
    loop {
        tokio::time::sleep(INTERVAL).await;
        let report = report(place, false).await?;
        if show::rotations(&report, Some(&begun)) {
            return Ok(());
        }
    }
}
