//! `tenon pull`: the source of a deployed function, back into this folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::server::{Client, ServerArgs, segment};
use crate::ui;

const HELP: &str = "\
What comes is the file of the function as it was deployed; files that it imports are not part of it.

Examples:
  tenon pull github issues
  tenon pull github close --action -e prod --force";

/// Arguments of `tenon pull`; the flags are those of the published command line (cli.md, 3).
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Integration of the function
    #[arg(value_name = "INTEGRATION")]
    integration: String,
    /// Name of the function
    #[arg(value_name = "NAME")]
    name: String,
    /// The sync, where an action has the same name
    #[arg(short, long, group = "kind")]
    sync: bool,
    /// The action, where a sync has the same name
    #[arg(short, long, group = "kind")]
    action: bool,
    /// The on-event function of that name
    #[arg(long, group = "kind")]
    on_event: bool,
    /// Overwrite the file if it is there
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// Folder with `index.ts`
    #[arg(long, value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
}

/// Pulls; exit code 1 if there is nothing to pull or a file in its place.
pub(crate) fn run(args: Args) -> ExitCode {
    let ended = super::block_on(pull(&args));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn pull(args: &Args) -> anyhow::Result<()> {
    let client = Client::new(&args.server.target(&args.path)?)?;
    let kind = match (args.sync, args.action, args.on_event) {
        (true, ..) => "?type=sync",
        (_, true, _) => "?type=action",
        (.., true) => "?type=on-event",
        _ => "",
    };
    let (integration, name) = (segment(&args.integration), segment(&args.name));
    let path = format!("/integrations/{integration}/functions/{name}/code{kind}");
    let source: Source = client.get(&path).await?;
    let Some(code) = source.code else {
        bail!(
            "the server has no source of `{}`: it was deployed without",
            args.name
        );
    };
    let folder = match source.kind.as_str() {
        "sync" => "syncs",
        "action" => "actions",
        _ => "on-events",
    };
    let place = format!("{}/{folder}/{}.ts", args.integration, args.name);
    if Path::new(&place)
        .components()
        .any(|part| matches!(part, std::path::Component::ParentDir))
    {
        bail!("`{place}` leads out of the project");
    }
    let file = args.path.join(&place);
    match fs::read_to_string(&file) {
        Ok(there) if there == code => {
            ui::say(format!("{place} is what runs already"));
            return Ok(());
        }
        Ok(_) if !args.force => {
            bail!("`{place}` exists and is different\nhint: --force overwrites it")
        }
        _ => {}
    }
    write(&file, &code)?;
    ui::say(format!("wrote {place}"));
    let line = format!("import './{}.js';\n", place.trim_end_matches(".ts"));
    let manifest = args.path.join("index.ts");
    if let Ok(listed) = fs::read_to_string(&manifest)
        && !listed.contains(line.trim_end())
    {
        let gap = if listed.is_empty() || listed.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        write(&manifest, &format!("{listed}{gap}{line}"))?;
        ui::say("listed it in index.ts");
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)
    };
    write().with_context(|| format!("could not write `{}`", path.display()))
}
