//! Which provider an integration belongs to: fixtures do not say, and `paginate` needs its settings.

use std::{collections::BTreeMap, path::Path, str::FromStr, sync::Arc};

use anyhow::bail;
use serde_json::Value;
use tenon_providers::{Catalogue, Provider};
use tenon_runtime::replay::Fixture;

/// `hubspot-eu=hubspot` of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    integration: String,
    provider: String,
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((integration, provider)) if !integration.is_empty() && !provider.is_empty() => {
                Ok(Self {
                    integration: integration.to_owned(),
                    provider: provider.to_owned(),
                })
            }
            _ => Err("`<integration>=<provider>`".to_owned()),
        }
    }
}

/// The provider of each integration that was named: by flag, else in the project's `package.json`.
#[derive(Clone, Debug, Default)]
pub(super) struct Providers(BTreeMap<String, String>);

impl Providers {
    /// Reads `"tenon": { "providers": { "hubspot-eu": "hubspot" } }`, then the flags; all must be in the catalogue.
    pub(super) fn read(
        root: &Path,
        flags: &[Given],
        catalogue: &Catalogue,
    ) -> anyhow::Result<Self> {
        let mut named = BTreeMap::new();
        let text = std::fs::read_to_string(root.join("package.json")).unwrap_or_default();
        let manifest: Value = serde_json::from_str(&text).unwrap_or_default();
        let listed = manifest["tenon"]["providers"].as_object();
        for (integration, provider) in listed.into_iter().flatten() {
            if let Some(provider) = provider.as_str() {
                named.insert(integration.clone(), provider.to_owned());
            }
        }
        for given in flags {
            named.insert(given.integration.clone(), given.provider.clone());
        }
        for (integration, provider) in &named {
            if catalogue.find(provider).is_none() {
                bail!(
                    "integration `{integration}`: there is no provider `{provider}`\nhint: --providers FILE brings providers of your own"
                );
            }
        }
        Ok(Self(named))
    }

    fn of(&self, catalogue: &Catalogue, integration: &str) -> Option<Arc<Provider>> {
        catalogue.find(self.0.get(integration)?)
    }

    /// `proxy.paginate` of the provider that was named, else of the one whose name the integration has, else of the one
    /// whose name the folder has that the integration is a link to, else of the one that the fixture was recorded with.
    pub(super) fn paginate(
        &self,
        catalogue: &Catalogue,
        root: &Path,
        integration: &str,
        fixture: &Fixture,
    ) -> Value {
        let linked = || {
            let target = root.join(integration).canonicalize().ok()?;
            catalogue.find(target.file_name()?.to_str()?)
        };
        let provider = self
            .of(catalogue, integration)
            .or_else(|| catalogue.find(integration))
            .or_else(linked);
        match provider {
            Some(provider) => catalogue.pagination(&provider, integration),
            None => paginate(catalogue, integration, fixture),
        }
    }
}

/// `proxy.paginate` of the provider: the integration's name, or what the fixture recorded, names it.
pub(crate) fn paginate(catalogue: &Catalogue, integration: &str, fixture: &Fixture) -> Value {
    let provider = catalogue
        .find(integration)
        .or_else(|| catalogue.find(fixture.provider()?));
    provider.map_or(Value::Null, |provider| {
        catalogue.pagination(&provider, integration)
    })
}
