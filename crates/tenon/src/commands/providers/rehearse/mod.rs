//! `tenon providers test`: a whole server in a folder that disappears, whose way to the outside is a stand-in. The
//! integration is made, somebody connects, the credentials are renewed, the API is called; what would have been sent is
//! printed.

mod answers;
mod print;
mod samples;
mod stage;
mod steps;

use anyhow::{Context as _, bail};
use url::Url;

use super::{Files, find};
use crate::{commands::block_on, ui};
use samples::Samples;
use stage::Stage;

const HELP: &str = "\
Nothing is sent: a stand-in answers every request as the entry says that the provider answers. Values are samples that fit
the fields of the entry; give your own with --value. Secrets are printed as <name>.

With --against the verification request is really sent, to that address instead of the provider's, and its answer counts.
Take real credentials from the environment then: --value apiKey=env:ACME_KEY.

Exit code: 0, or 1 if a request could not be made, or the address of --against refuses it.

Examples:
  tenon providers test zendesk
  tenon providers test acme --providers my-providers.yaml --value subdomain=example
  tenon providers test acme --providers my-providers.yaml --against http://127.0.0.1:8080 --value apiKey=env:ACME_KEY";

/// Arguments of `tenon providers test`.
#[derive(clap::Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Name of the provider
    #[arg(value_name = "NAME")]
    name: String,
    /// A field of the entry; `env:VARIABLE` reads it from the environment; repeatable
    #[arg(long = "value", value_name = "NAME=VALUE", value_parser = value)]
    values: Vec<(String, String)>,
    /// Send the verification request to this address
    #[arg(long, value_name = "URL")]
    against: Option<Url>,
    #[command(flatten)]
    files: Files,
}

fn value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let value = match value.strip_prefix("env:") {
        Some(variable) => std::env::var_os(variable)
            .and_then(|value| value.into_string().ok())
            .ok_or_else(|| format!("the environment has no `{variable}`"))?,
        None => value.to_owned(),
    };
    Ok((name.to_owned(), value))
}

/// Whether every request could be made.
pub(super) fn run(args: &Args) -> anyhow::Result<bool> {
    let catalogue = args.files.catalogue()?;
    let provider = find(&catalogue, &args.name)?;
    let verification = provider
        .proxy
        .as_ref()
        .and_then(|proxy| proxy.verification.as_ref());
    if args.against.is_some() && verification.is_none() {
        bail!(
            "`{}` has no verification request\nhint: `proxy.verification` describes one",
            args.name
        );
    }
    let samples = Samples::of(&provider, &args.values);
    let folder = std::env::temp_dir().join(format!("tenon-rehearsal-{}", std::process::id()));
    std::fs::create_dir_all(&folder).context("could not make a folder for the rehearsal")?;
    let ended = block_on(async {
        let stage = Stage::build(&folder, catalogue, &provider, args.against.clone()).await?;
        let problem = steps::play(&stage, &provider, &samples).await.err();
        stage.close().await;
        Ok((stage, problem))
    });
    let removed = std::fs::remove_dir_all(&folder);
    let (stage, problem) = ended?;
    removed.context("could not remove the folder of the rehearsal")?;
    for heard in stage.heard() {
        print::request(&heard, &samples);
    }
    if let Some(problem) = &problem {
        ui::complain(format!("error: {problem:#}"));
    }
    Ok(problem.is_none())
}
