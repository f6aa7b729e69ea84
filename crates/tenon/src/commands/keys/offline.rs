//! On the database itself, while no server runs (or beside servers on Postgres).

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};
use tenon_core::{Ids, SharedClock, SharedRandom, random::SystemRandom};
use tenon_engine::{keys::Rotations, time::SystemClock};
use tenon_store::{
    Store,
    rotation::{KeyCount, Rotation, Step},
};

use super::{Place, Wanted};
use crate::{config::Config, server::database, ui};

/// Pause while other nodes may not have noticed a new key (Postgres only).
const SETTLING: std::time::Duration = std::time::Duration::from_secs(2);

struct Opened {
    store: Store,
    rotations: Rotations,
}

async fn open(place: &Place) -> anyhow::Result<Opened> {
    let config = Config::load(&place.flags())?;
    let clock: SharedClock = Arc::new(SystemClock::new());
    let random: SharedRandom = Arc::new(SystemRandom);
    let ids = Ids::new(Arc::clone(&clock), Arc::clone(&random));
    let data_dir = &config.data_dir;
    anyhow::ensure!(
        config.database_url.is_some() || data_dir.join("tenon.db").exists(),
        "there is no database in `{}`\nhint: name its folder with --data-dir, or a Postgres with --database-url",
        data_dir.display()
    );
    let store = database::open(&config, data_dir, &clock, &random).await?;
    let holder = format!("offline {}", std::process::id());
    let rotations = Rotations::new(store.clone(), clock, ids, &holder);
    Ok(Opened { store, rotations })
}

/// The same shape as `GET /keys`.
pub(super) async fn report(place: &Place, counted: bool) -> anyhow::Result<Value> {
    let Opened { store, .. } = open(place).await?;
    let instance: Vec<Value> = store.instance_key_report().await?.iter().map(key).collect();
    let mut environments = Vec::new();
    let mut names = Vec::new();
    for environment in store.reader().list_environments().await? {
        let keys = store.data_key_report(environment.pk, counted).await?;
        let keys: Vec<Value> = keys.iter().map(key).collect();
        environments.push(json!({"name": environment.name, "keys": keys}));
        names.push((environment.pk, environment.name));
    }
    let rotations = store.reader().latest_rotations(20).await?;
    let rotations: Vec<Value> = rotations
        .iter()
        .map(|one| {
            let of = names.iter().find(|(pk, _)| Some(*pk) == one.environment);
            rotation(one, of.map(|(_, name)| name.as_str()))
        })
        .collect();
    store.close().await;
    Ok(json!({"instance": instance, "environments": environments, "rotations": rotations}))
}

/// Puts the keys in force and moves everything before it returns; what an earlier one has left is finished first.
pub(super) async fn rotate(place: &Place, wanted: &Wanted) -> anyhow::Result<()> {
    let opened = open(place).await?;
    let ended = opened.rotate(wanted).await;
    opened.store.close().await;
    ended
}

impl Opened {
    async fn rotate(&self, wanted: &Wanted) -> anyhow::Result<()> {
        self.finish().await?;
        let environments = self.store.reader().list_environments().await?;
        let mut chosen = Vec::new();
        match &wanted.environments {
            None => chosen = environments.iter().map(|one| one.pk).collect(),
            Some(names) => {
                for name in names {
                    let found = environments.iter().find(|one| one.name == *name);
                    let found =
                        found.with_context(|| format!("there is no environment `{name}`"))?;
                    chosen.push(found.pk);
                }
            }
        }
        if wanted.instance {
            self.rotations.begin_instance().await?;
        }
        for environment in chosen {
            self.rotations.begin_environment(environment).await?;
        }
        self.finish().await
    }

    async fn finish(&self) -> anyhow::Result<()> {
        loop {
            let running = self.rotations.running().await?;
            let Some(first) = running.first() else {
                return Ok(());
            };
            loop {
                match self.rotations.step(first.pk).await? {
                    Step::Moved(_) => {}
                    Step::Done => {
                        ui::say(format!("key {}: everything is under it", first.to_key));
                        break;
                    }
                    Step::PassEnded if self.store.is_postgres() => {
                        tokio::time::sleep(SETTLING).await;
                    }
                    Step::PassEnded => {}
                    Step::Lost => {
                        tokio::time::sleep(SETTLING).await;
                        break;
                    }
                }
            }
        }
    }
}

fn key(key: &KeyCount) -> Value {
    let places: serde_json::Map<String, Value> = key
        .places
        .iter()
        .map(|(place, rows)| (place.clone(), (*rows).into()))
        .collect();
    json!({
        "id": key.id,
        "current": key.is_current,
        "known": key.is_known,
        "created_at": key.created_at.map(|at| at.iso_millis()),
        "rows": key.rows,
        "places": places,
    })
}

fn rotation(rotation: &Rotation, environment: Option<&str>) -> Value {
    json!({
        "id": rotation.pk,
        "environment": environment,
        "to_key": rotation.to_key,
        "state": if rotation.is_running { "running" } else { "done" },
        "moved": rotation.moved,
        "unreadable": rotation.unreadable,
        "passes": rotation.passes,
        "place": rotation.place,
    })
}
