//! The demo of `tenon dev`: the helpdesk on a loopback port, and an environment that is connected to it.
//!
//! Everything the platform learns about it comes from `examples/helpdesk`, the way an operator and an app's developer
//! would bring it: a provider file, an integration, two functions, a webhook URL.

use std::{net::Ipv4Addr, sync::Arc};

use anyhow::Context as _;
use tenon_api::demo::{Helpdesk, Plan};
use tenon_core::{auth::AuthMode, function::Cancel, names::EnvironmentPk};
use tenon_engine::{
    Engine,
    environments::{self, WebhookSettingsPatch},
    integrations::{
        self, IntegrationCredentials, IntegrationError, IntegrationPatch, NewIntegration,
    },
};
use tenon_runtime::compile::{EntryPoint, InMemory, bundle, define};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    commands::{
        compile::{CompiledFunction, Selection},
        deploy::{self, DeployBody},
        server::{Client, Target},
    },
    ui,
};

/// The address in the provider file; taken if it is free, so that the demo stays where it was.
const USUAL_ADDRESS: &str = "127.0.0.1:4003";

const PLAN: &str = include_str!("../../../examples/helpdesk/demo.json");
const PROVIDER: &str = include_str!("../../../examples/helpdesk/provider.yaml");

/// The functions of the example, by path.
const FILES: &[(&str, &str)] = &[
    (
        "helpdesk/models.ts",
        include_str!("../../../examples/helpdesk/helpdesk/models.ts"),
    ),
    (
        "helpdesk/syncs/tickets.ts",
        include_str!("../../../examples/helpdesk/helpdesk/syncs/tickets.ts"),
    ),
    (
        "helpdesk/actions/create-ticket.ts",
        include_str!("../../../examples/helpdesk/helpdesk/actions/create-ticket.ts"),
    ),
];

/// Bound, not yet served.
pub(crate) struct Demo {
    listener: TcpListener,
    url: String,
    plan: Plan,
}

impl Demo {
    /// Takes a port.
    pub(crate) async fn bind() -> anyhow::Result<Self> {
        let plan: Plan = serde_json::from_str(PLAN).context("examples/helpdesk/demo.json")?;
        let listener = match TcpListener::bind(USUAL_ADDRESS).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .context("could not listen on a loopback port for the demo")?,
        };
        let url = format!("http://{}", listener.local_addr()?);
        Ok(Self {
            listener,
            url,
            plan,
        })
    }

    /// Its entry in the catalogue, with the address that it listens on.
    pub(crate) fn provider_file(&self) -> String {
        PROVIDER.replace(&format!("http://{USUAL_ADDRESS}"), &self.url)
    }

    /// Name of its environment.
    pub(crate) fn environment(&self) -> &str {
        &self.plan.environment
    }

    /// Serves the helpdesk until `shutdown`.
    pub(crate) fn serve(
        self,
        servers: &mut JoinSet<()>,
        engine: &Engine,
        shutdown: &Cancel,
    ) -> Helpdesk {
        let callback_url = format!("{}/oauth/callback", engine.settings.public_url);
        let (clock, ids) = (Arc::clone(&engine.clock), engine.ids.clone());
        let helpdesk = Helpdesk::new(self.plan, self.url, callback_url, clock, ids);
        servers.spawn(tenon_api::serve(
            self.listener,
            helpdesk.router(),
            shutdown.clone(),
        ));
        helpdesk
    }
}

/// Makes integration, webhook URL and functions of the demo, or brings them up to date.
pub(crate) async fn set_up(engine: Engine, helpdesk: Helpdesk, target: Target) {
    if let Err(problem) = try_set_up(&engine, &helpdesk, &target).await {
        ui::error(&problem.context("the demo could not be set up; everything else works"));
    }
}

async fn try_set_up(engine: &Engine, helpdesk: &Helpdesk, target: &Target) -> anyhow::Result<()> {
    let row = environments::ensure(engine, &helpdesk.plan().environment).await?;
    helpdesk.trust_signing_key(row.webhook_signing_key.clone());
    ensure_integration(engine, row.pk, helpdesk.plan()).await?;
    let ours = row.webhooks.primary_url.as_deref().is_none_or(is_an_inbox);
    if ours {
        let patch = WebhookSettingsPatch {
            primary_url: Some(Some(helpdesk.inbox_url())),
            ..WebhookSettingsPatch::default()
        };
        environments::patch_webhooks(engine, row.pk, patch).await?;
    }
    deploy(target).await
}

/// Whether a webhook URL is that of a demo, now or before; an app's own one is left alone.
fn is_an_inbox(url: &str) -> bool {
    url.starts_with("http://127.0.0.1:") && url.ends_with("/app/webhooks")
}

async fn ensure_integration(
    engine: &Engine,
    environment: EnvironmentPk,
    plan: &Plan,
) -> anyhow::Result<()> {
    let credentials = IntegrationCredentials::Client {
        mode: AuthMode::OAuth2,
        client_id: plan.client_id.clone(),
        client_secret: plan.client_secret.clone(),
        scopes: Some("tickets".to_owned()),
        webhook_secret: None,
    };
    let new = NewIntegration {
        provider: plan.integration.clone(),
        unique_key: plan.integration.clone(),
        display_name: None,
        forward_webhooks: true,
        credentials: Some(credentials.clone()),
        config: None,
        custom: None,
    };
    match integrations::create(engine, environment, new).await {
        Ok(_) => Ok(()),
        Err(IntegrationError::KeyTaken(_)) => {
            let patch = IntegrationPatch {
                credentials: Some(credentials),
                ..IntegrationPatch::default()
            };
            integrations::update(engine, environment, &plan.integration, patch).await?;
            Ok(())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// Compiles the example and deploys it, as `tenon deploy` would, if it is not what runs already.
async fn deploy(target: &Target) -> anyhow::Result<()> {
    let functions = tokio::task::spawn_blocking(compile)
        .await
        .context("the compiler stopped")??;
    let body = DeployBody::new(&functions, &Selection::default(), None);
    let client = Client::new(target)?;
    deploy::send(&client, &body).await?;
    Ok(())
}

fn compile() -> anyhow::Result<Vec<CompiledFunction>> {
    let files = InMemory::new(FILES.iter().copied());
    let mut functions = Vec::new();
    for (path, _) in FILES {
        let parts: Vec<&str> = path.split('/').collect();
        let [integration, folder, file] = parts.as_slice() else {
            continue;
        };
        let entry = EntryPoint {
            integration: (*integration).to_owned(),
            name: file.trim_end_matches(".ts").to_owned(),
            folder: (*folder).to_owned(),
            path: (*path).to_owned(),
            listed: None,
        };
        let wrong = |problem| anyhow::anyhow!("{path}: {problem}");
        let bundled = bundle(&files, path).map_err(wrong)?;
        let definition = define(&entry, &bundled).map_err(wrong)?;
        functions.push(CompiledFunction {
            entry,
            bundled,
            definition,
        });
    }
    Ok(functions)
}

#[cfg(test)]
mod tests {
    use super::{PROVIDER, compile, is_an_inbox};

    #[test]
    fn the_example_compiles_and_its_provider_is_sound() {
        let functions = compile().expect("the example compiles");
        let names: Vec<&str> = functions
            .iter()
            .map(|function| function.definition.name.as_str())
            .collect();
        assert_eq!(names, ["tickets", "create-ticket"]);
        let mut catalogue = tenon_providers::Catalogue::default();
        assert_eq!(
            catalogue
                .load_yaml("provider.yaml", PROVIDER)
                .expect("a good file"),
            ["helpdesk"]
        );
    }

    #[test]
    fn a_webhook_url_of_the_app_is_left_alone() {
        assert!(is_an_inbox("http://127.0.0.1:40123/app/webhooks"));
        assert!(!is_an_inbox("https://app.example/webhooks"));
    }
}
