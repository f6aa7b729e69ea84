//! `tenon export`: everything in one sealed file (docs/reference/export.md).

use std::{
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use tenon_core::{Secret, SharedRandom, random::SystemRandom};
use tenon_engine::transfer::{Identity, Recipient};
use tokio::io::AsyncWriteExt as _;

use super::server::{Client, Request, Target};
use crate::{config, ui};

const HELP: &str = "\
Integrations, connections with their tokens, functions, syncs, records, variables and API keys, sealed to a key of your choice.
A running server goes on working meanwhile.

Examples:
  tenon export --generate backup.identity          a pair of keys; keep the file away from the server
  tenon export backup.tenon --recipient tenon-recipient-...
  tenon export prod.tenon --environment prod --passphrase-file secret.txt

The passphrase may also be in TENON_EXPORT_PASSPHRASE.";

/// Arguments of `tenon export`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// File to write; it must not exist
    #[arg(value_name = "FILE", required_unless_present = "generate")]
    file: Option<PathBuf>,
    /// Seal to this public key
    #[arg(long, value_name = "RECIPIENT", conflicts_with = "passphrase_file")]
    recipient: Option<String>,
    /// Seal with the passphrase in this file, 12 characters or more
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Only this environment; repeatable. Everything otherwise
    #[arg(short, long, value_name = "NAME")]
    environment: Vec<String>,
    /// Make a pair of keys instead: the private half goes to this file, the public half is printed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "recipient", "passphrase_file"])]
    generate: Option<PathBuf>,
    /// Server to talk to; `NANGO_HOSTPORT` or a running `tenon dev` otherwise
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Environment whose secret key is used to talk to the server
    #[arg(long, value_name = "NAME", default_value = "dev")]
    key_of: String,
    /// Folder to look for `.env` and a running `tenon dev` from
    #[arg(long, value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

/// Exports, or makes a pair of keys.
pub(crate) fn run(args: Args) -> ExitCode {
    super::ended(match &args.generate {
        Some(file) => generate(file),
        None => super::block_on(export(&args)),
    })
}

fn generate(file: &Path) -> anyhow::Result<()> {
    use std::io::Write as _;
    let random: SharedRandom = Arc::new(SystemRandom);
    let identity = Identity::generate(&random);
    let recipient = identity.recipient()?.to_text();
    let text = format!(
        "# opens what is sealed to {recipient}\n{}\n",
        identity.to_text().expose()
    );
    let written = private(file).and_then(|mut opened| {
        opened.write_all(text.as_bytes())?;
        opened.sync_all()
    });
    written.with_context(|| format!("could not write `{}`", file.display()))?;
    ui::say(recipient);
    Ok(())
}

/// A file that did not exist, for its owner only.
fn private(file: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
}

async fn export(args: &Args) -> anyhow::Result<()> {
    let file = args.file.as_deref().context("no file is named")?;
    let mut body = match (
        &args.recipient,
        passphrase(args.passphrase_file.as_deref())?,
    ) {
        (Some(recipient), _) => {
            Recipient::parse(recipient)?;
            json!({"recipient": recipient})
        }
        (None, Some(passphrase)) => json!({"passphrase": passphrase.expose()}),
        (None, None) => anyhow::bail!(
            "say what seals the file: --recipient or --passphrase-file\nhint: `tenon export --generate FILE` makes a pair of keys"
        ),
    };
    if !args.environment.is_empty() {
        body["environments"] = Value::from(args.environment.clone());
    }
    let target = Target::find(&args.path, &args.key_of, args.url.as_deref())?;
    let client = Client::new(&target)?;
    let opened = private(file).with_context(|| format!("could not write `{}`", file.display()))?;
    let mut out = tokio::fs::File::from_std(opened);
    let request = Request::json(Method::POST, "/export", &body);
    let saved = match client.save(request, &mut out).await {
        Ok(saved) => saved,
        Err(error) => {
            // Half an export is worth nothing, and its name is wanted for the next try.
            let _ = std::fs::remove_file(file);
            return Err(error);
        }
    };
    out.flush().await?;
    out.sync_all().await?;
    ui::say(format!(
        "{} KiB in `{}`",
        saved.div_ceil(1024),
        file.display()
    ));
    Ok(())
}

/// From a file, or from the environment.
pub(super) fn passphrase(file: Option<&Path>) -> anyhow::Result<Option<Secret>> {
    let text = match file {
        Some(file) => Some(
            std::fs::read_to_string(file)
                .with_context(|| format!("could not read `{}`", file.display()))?,
        ),
        None => config::variable("TENON_EXPORT_PASSPHRASE"),
    };
    let text = text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
    Ok(text.filter(|text| !text.is_empty()).map(Secret::new))
}
