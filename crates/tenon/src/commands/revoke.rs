//! `tenon revoke`: the kill switch.

use std::{path::PathBuf, process::ExitCode};

use serde_json::{Value, json};

use super::server::{Client, Target};
use crate::ui;

const HELP: &str = "\
Deletes connections and has their providers revoke the tokens, where they can be told (docs/reference/revocation.md). Without
--yes it only lists what would go.

Examples:
  tenon revoke --provider hubspot              every connection to a provider, in every environment
  tenon revoke --organization acme             everything of one customer
  tenon revoke --environment staging --yes     do it
  tenon revoke --proofs                        what providers were told, and what they said";

/// Arguments of `tenon revoke`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Every connection to this provider
    #[arg(long, value_name = "NAME", group = "of")]
    provider: Option<String>,
    /// Every connection of this environment
    #[arg(long, value_name = "NAME", group = "of")]
    environment: Option<String>,
    /// Every connection of this organisation of end users
    #[arg(long, value_name = "ID", group = "of")]
    organization: Option<String>,
    /// List what providers were told instead
    #[arg(long, group = "of")]
    proofs: bool,
    /// List what would go; so it is without --yes, too
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it
    #[arg(long)]
    yes: bool,
    /// Server to talk to; `NANGO_HOSTPORT` or a running `tenon dev` otherwise
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Environment whose secret key is used; --proofs shows those of this environment
    #[arg(long, value_name = "NAME", default_value = "dev")]
    key_of: String,
    /// Folder to look for `.env` and a running `tenon dev` from
    #[arg(long, value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

/// Lists, and deletes when told to.
pub(crate) fn run(args: Args) -> ExitCode {
    super::ended(super::block_on(revoke(&args)))
}

async fn revoke(args: &Args) -> anyhow::Result<()> {
    let target = Target::find(&args.path, &args.key_of, args.url.as_deref())?;
    let client = Client::new(&target)?;
    if args.proofs {
        return proofs(&client).await;
    }
    let mut body = match (&args.provider, &args.environment, &args.organization) {
        (Some(name), ..) => json!({"provider": name}),
        (_, Some(name), _) => json!({"environment": name}),
        (.., Some(id)) => json!({"organization": id}),
        _ => anyhow::bail!("say what is to go: --provider, --environment or --organization"),
    };
    let listed: Value = client.post("/revoke", &body).await?;
    show(&listed["data"]);
    if !args.yes {
        ui::say("nothing was changed; add --yes to do it");
        return Ok(());
    }
    body["dry_run"] = false.into();
    let done: Value = client.post("/revoke", &body).await?;
    ui::say(format!(
        "{} connections deleted; `tenon revoke --proofs` shows what their providers say",
        done["data"]["deleted"]
    ));
    Ok(())
}

fn show(data: &Value) {
    for integration in data["integrations"].as_array().into_iter().flatten() {
        let text = |name: &str| integration[name].as_str().unwrap_or_default();
        let told = if integration["revocable"] == true {
            "tokens will be revoked"
        } else {
            "the provider cannot be told"
        };
        ui::say(format!(
            "{}: {} ({}), {} connections, {told}",
            text("environment"),
            text("unique_key"),
            text("provider"),
            integration["connections"]
        ));
        let ids = integration["connection_ids"].as_array();
        for id in ids.into_iter().flatten() {
            ui::say(format!("  {}", id.as_str().unwrap_or_default()));
        }
        let shown = ids.map_or(0, Vec::len) as u64;
        let all = integration["connections"].as_u64().unwrap_or(shown);
        if all > shown {
            ui::say(format!("  and {} more", all - shown));
        }
    }
    ui::say(format!("{} connections in all", data["connections"]));
}

async fn proofs(client: &Client) -> anyhow::Result<()> {
    let page: Value = client.get("/revocations?limit=1000").await?;
    for proof in page["revocations"].as_array().into_iter().flatten() {
        let text = |name: &str| proof[name].as_str().unwrap_or("-");
        let status = proof["status"].as_i64();
        ui::say(format!(
            "{}  {}/{}  {} {}: {}{}{}",
            text("created_at"),
            text("provider_config_key"),
            text("connection_id"),
            text("token"),
            text("fingerprint"),
            text("state"),
            status.map_or_else(String::new, |status| format!(" ({status})")),
            proof["error"]
                .as_str()
                .map_or_else(String::new, |error| format!(", {error}")),
        ));
    }
    Ok(())
}
