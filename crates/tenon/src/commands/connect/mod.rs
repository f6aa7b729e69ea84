//! `tenon connect`: a connection for somebody at this machine: by a link for a browser, or by a code that is typed on
//! any other device (docs/reference/device-flow.md).

mod settings;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::server::{Client, ServerArgs, segment};
use crate::ui;

/// How often the server is asked whether the person has agreed; it asks the provider by itself.
const INTERVAL: Duration = Duration::from_secs(2);

const HELP: &str = "\
Without --device it prints a link to open in a browser. With --device it prints a code, waits until somebody
has typed it at the provider, and prints the id of the new connection.

Examples:
  tenon connect github --device
  tenon connect github --device --connection-id laptop
  tenon connect google-drive --device --param subdomain=acme
  tenon connect github --device --setting team=ops --setting days=30
  id=$(tenon connect github --device --json | tail -n 1 | jq -r .connection_id)";

/// Arguments of `tenon connect`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The integration to connect to
    #[arg(value_name = "INTEGRATION")]
    integration: String,
    /// Authorise by a code that is typed on another device, without a browser here
    #[arg(long)]
    device: bool,
    /// Id of the connection; made up unless given
    #[arg(long, value_name = "ID", requires = "device")]
    connection_id: Option<String>,
    /// A parameter of the connection, as the provider asks for it
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "device")]
    params: Vec<String>,
    /// A setting that syncs of the integration ask for; at a terminal the others are asked
    #[arg(long = "setting", value_name = "NAME=VALUE", requires = "device")]
    settings: Vec<String>,
    /// Do not wait for the person
    #[arg(long, requires = "device")]
    no_wait: bool,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// Folder to look for `.env` and a running `tenon dev` from
    #[arg(long, value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Begun {
    id: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Status {
    state: String,
    connection_id: Option<String>,
    error: Option<String>,
}

/// Connects; fails when the person refuses or does not come.
pub(crate) fn run(args: Args) -> ExitCode {
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start")
        .and_then(|runtime| runtime.block_on(connect(&args)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn connect(args: &Args) -> anyhow::Result<()> {
    let client = Client::new(&args.server.target(&args.path)?)?;
    if args.device {
        return by_device(&client, args).await;
    }
    let body = json!({ "allowed_integrations": [args.integration] });
    let session: Data<Value> = client.post("/connect/sessions", &body).await?;
    let text = |name: &str| session.data[name].as_str().unwrap_or_default();
    if args.json {
        ui::say(session.data.to_string());
    } else {
        ui::say(text("connect_link"));
        ui::complain(format!(
            "open this link to connect `{}`; it works until {}",
            args.integration,
            text("expires_at")
        ));
    }
    Ok(())
}

async fn by_device(client: &Client, args: &Args) -> anyhow::Result<()> {
    let mut body = body(args)?;
    if let Some(settings) = settings::of(client, args).await? {
        body["metadata"] = settings;
    }
    let begun: Data<Value> = client.post("/oauth/device", &body).await?;
    let shown = begun.data.to_string();
    let begun: Begun =
        serde_json::from_value(begun.data).context("the server's answer is not understood")?;
    if args.json {
        ui::say(shown);
    } else {
        ui::say(format!("Open  {}", begun.verification_uri));
        ui::say(format!("and enter the code  {}", begun.user_code));
        if let Some(link) = &begun.verification_uri_complete {
            ui::say(format!("or open  {link}"));
        }
    }
    if args.no_wait {
        return Ok(());
    }
    if !args.json {
        ui::complain(format!(
            "waiting for up to {} minutes; the server goes on if you stop this",
            begun.expires_in.div_ceil(60)
        ));
    }
    let path = format!("/oauth/device/{}", segment(&begun.id));
    loop {
        tokio::time::sleep(INTERVAL).await;
        let status: Data<Value> = client.get(&path).await?;
        let shown = status.data.to_string();
        let status: Status =
            serde_json::from_value(status.data).context("the server's answer is not understood")?;
        match (status.state.as_str(), status.connection_id) {
            ("pending", _) => {}
            ("connected", Some(id)) => {
                ui::say(if args.json {
                    shown
                } else {
                    format!("connected: {id}")
                });
                return Ok(());
            }
            (state, _) => {
                let why = status.error.unwrap_or_default();
                bail!("`{}` was not connected ({state}): {why}", args.integration);
            }
        }
    }
}

fn body(args: &Args) -> anyhow::Result<Value> {
    let mut body = json!({ "provider_config_key": args.integration });
    if let Some(id) = &args.connection_id {
        body["connection_id"] = id.as_str().into();
    }
    for param in &args.params {
        let Some((name, value)) = param.split_once('=') else {
            bail!("`{param}` is not of the form NAME=VALUE");
        };
        body["params"][name] = value.into();
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::{Args, body};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Result<Args, clap::Error> {
        let line = std::iter::once("connect").chain(line.iter().copied());
        Cli::try_parse_from(line).map(|cli| cli.args)
    }

    #[test]
    fn parameters_become_the_body() {
        let line = [
            "crm",
            "--device",
            "--connection-id",
            "me",
            "--param",
            "subdomain=a=b",
        ];
        let whole = json!({ "provider_config_key": "crm", "connection_id": "me", "params": { "subdomain": "a=b" } });
        assert_eq!(body(&args(&line).unwrap()).unwrap(), whole);
        assert!(body(&args(&["crm", "--device", "--param", "alone"]).unwrap()).is_err());
    }

    #[test]
    fn what_only_devices_have_is_refused_without() {
        assert!(args(&["crm"]).is_ok());
        assert!(args(&["crm", "--connection-id", "me"]).is_err());
        assert!(args(&["crm", "--no-wait"]).is_err());
    }
}
