//! All providers known to this instance.

use std::{
    collections::BTreeMap,
    io::Read,
    path::Path,
    sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock},
};

use flate2::read::DeflateDecoder;
use indexmap::IndexMap;
use serde_json::{Map, Value, value::RawValue};
use tenon_core::names::ProviderName;

use crate::{LoadError, Provider, WebhookRouting, load};

/// What the names of providers begin with whose address and credentials are settings of the integration.
const GENERIC: &str = "private-api-";

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/catalogue.json.deflate"));

/// The entries of this repository. Unpacked when first asked for (a few milliseconds), each typed when first found.
static EMBEDDED: LazyLock<BTreeMap<String, Entry>> = LazyLock::new(|| {
    let mut json = String::new();
    DeflateDecoder::new(PACKED)
        .read_to_string(&mut json)
        .expect("the build script packed it");
    let entries: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(&json).expect("the build script wrote a JSON object");
    entries
        .into_iter()
        .map(|(name, own)| {
            (
                name,
                Entry {
                    own,
                    provider: OnceLock::new(),
                },
            )
        })
        .collect()
});

static PACKED_ROUTINGS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/webhooks.json.deflate"));

/// The webhook routings of this repository by name, unpacked and typed when first asked for.
static ROUTINGS: LazyLock<BTreeMap<String, Arc<WebhookRouting>>> = LazyLock::new(|| {
    let packed = DeflateDecoder::new(PACKED_ROUTINGS);
    let routings: BTreeMap<String, WebhookRouting> =
        serde_json::from_reader(packed).expect("a test types every webhook routing");
    routings
        .into_iter()
        .map(|(name, routing)| (name, Arc::new(routing)))
        .collect()
});

struct Entry {
    /// Without what it inherits.
    own: Box<RawValue>,
    provider: OnceLock<Arc<Provider>>,
}

/// All providers known to this instance, by name. The operator's part can be exchanged while it is in use.
#[derive(Default)]
pub struct Catalogue {
    with_embedded: bool,
    /// From the operator's files. They hide embedded entries of the same name.
    loaded: RwLock<Arc<Loaded>>,
    /// Why the files as they are now are not in use.
    problem: RwLock<Option<String>>,
}

type Loaded = IndexMap<String, LoadedEntry>;

#[derive(Clone)]
struct LoadedEntry {
    provider: Arc<Provider>,
    sources: IndexMap<String, Source>,
}

/// Where a key of an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The entry that says it: this one, or one that it is an alias of.
    pub entry: String,
    /// The file that this entry stands in.
    pub file: String,
}

impl Catalogue {
    /// The entries of this repository.
    pub fn embedded() -> Self {
        Self {
            with_embedded: true,
            ..Self::default()
        }
    }

    /// Takes over the operator's entries of another catalogue, at once for everybody who asks from now on. Returns the
    /// names that are gone.
    pub fn replace(&self, other: Self) -> Vec<String> {
        let next = Arc::clone(&other.loaded());
        let before = std::mem::replace(
            &mut *self.loaded.write().unwrap_or_else(PoisonError::into_inner),
            next,
        );
        self.keep(None);
        let gone = before.keys().filter(|name| self.find(name).is_none());
        gone.cloned().collect()
    }

    /// Notes why the entries from before are still in use; `None` when they are the newest.
    pub fn keep(&self, problem: Option<String>) {
        *self.problem.write().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Why the operator's files as they are now are not in use.
    pub fn problem(&self) -> Option<String> {
        let problem = self.problem.read().unwrap_or_else(PoisonError::into_inner);
        problem.clone()
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds the entries of a file in Nango's format: a map from name to entry. An entry with a known name replaces ours
    /// whole. Returns the names.
    pub fn load_file(&mut self, path: &Path) -> Result<Vec<String>, LoadError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable {
            file: file.clone(),
            source,
        })?;
        self.load_yaml(&file, &text)
    }

    /// Like [`Catalogue::load_file`], from a text. `file` is only used in errors.
    pub fn load_yaml(&mut self, file: &str, text: &str) -> Result<Vec<String>, LoadError> {
        let entries: IndexMap<String, Map<String, Value>> =
            serde_saphyr::from_str(text).map_err(|error| LoadError::NotAMap {
                file: file.to_owned(),
                reason: error.to_string(),
            })?;
        let mut providers = Vec::with_capacity(entries.len());
        for name in entries.keys() {
            ProviderName::parse(name).map_err(|_| LoadError::Name {
                file: file.to_owned(),
                name: name.clone(),
            })?;
            let raw = self.expanded(file, &entries, name)?;
            let provider = load::typed(name, raw).map_err(|(key, reason)| LoadError::Key {
                file: file.to_owned(),
                name: name.clone(),
                key,
                reason,
            })?;
            let entry = LoadedEntry {
                provider: Arc::new(provider),
                sources: self.sources_in(file, &entries, name),
            };
            providers.push((name.clone(), entry));
        }
        let names = providers.iter().map(|(name, _)| name.clone()).collect();
        let loaded = self
            .loaded
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(loaded).extend(providers);
        Ok(names)
    }

    /// The provider of this name.
    pub fn find(&self, name: &str) -> Option<Arc<Provider>> {
        match self.loaded().get(name) {
            Some(entry) => Some(Arc::clone(&entry.provider)),
            None if self.with_embedded => find_embedded(name),
            None => None,
        }
    }

    /// `proxy.paginate` of the provider of an integration. Generic providers have none; an integration of theirs that is
    /// named after another provider (`tenon simulate --connect` makes such ones) takes that provider's.
    pub fn pagination(&self, provider: &Provider, integration: &str) -> Value {
        let of = |provider: &Provider| {
            let proxy = provider.raw.get("proxy");
            let settings = proxy.and_then(|proxy| proxy.get("paginate"));
            settings.cloned().unwrap_or_default()
        };
        let own = of(provider);
        if !own.is_null() || !provider.name.starts_with(GENERIC) {
            return own;
        }
        self.find(integration)
            .map_or(Value::Null, |namesake| of(&namesake))
    }

    /// Where each key of an entry comes from, in the order of the entry.
    pub fn sources(&self, name: &str) -> IndexMap<String, Source> {
        match self.loaded().get(name) {
            Some(entry) => entry.sources.clone(),
            None if self.with_embedded => embedded_sources(name),
            None => IndexMap::new(),
        }
    }

    /// How webhooks of a provider are routed: by its own rules, or by ours of the name that it gives.
    pub fn webhook_routing(&self, provider: &Provider) -> Option<Arc<WebhookRouting>> {
        if let Some(own) = &provider.webhook_routing {
            return Some(Arc::clone(own));
        }
        let name = provider.webhook_routing_script.as_ref()?;
        ROUTINGS.get(name).map(Arc::clone)
    }

    /// All names, without typing the entries behind them.
    pub fn names(&self) -> Vec<String> {
        let loaded = self.loaded();
        let ours = self.with_embedded.then(|| EMBEDDED.keys());
        let ours = ours.into_iter().flatten();
        let ours = ours.filter(|name| !loaded.contains_key(*name));
        ours.chain(loaded.keys()).cloned().collect()
    }

    /// All providers: ours by name, then the operator's in the order of their files.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Provider>> + '_ {
        self.names().into_iter().filter_map(|name| self.find(&name))
    }

    /// An entry of a file with what it inherits: from the same file, from files loaded before, from ours.
    pub(crate) fn expanded(
        &self,
        file: &str,
        entries: &IndexMap<String, Map<String, Value>>,
        name: &str,
    ) -> Result<Map<String, Value>, LoadError> {
        let (chain, base) = chain(entries, name);
        let base = match base {
            Some(alias) => self.base(&chain, alias).ok_or_else(|| LoadError::Alias {
                file: file.to_owned(),
                name: name.to_owned(),
                alias: alias.to_owned(),
            })?,
            None => Map::new(),
        };
        let merge = |raw, name: &str| load::merged(&raw, entries[name].clone());
        Ok(chain.into_iter().rev().fold(base, merge))
    }

    /// What an entry outside the file brings along. A name may extend what it replaces (`zendesk: {alias: zendesk, …}`),
    /// but a chain may not lead back into itself.
    fn base(&self, chain: &[&str], alias: &str) -> Option<Map<String, Value>> {
        if chain.len() > 1 && chain.contains(&alias) {
            return None;
        }
        Some(self.find(alias)?.raw.clone())
    }

    /// The same walk as [`Catalogue::expanded`], for who says what.
    fn sources_in(
        &self,
        file: &str,
        entries: &IndexMap<String, Map<String, Value>>,
        name: &str,
    ) -> IndexMap<String, Source> {
        let (chain, base) = chain(entries, name);
        let mut sources = base.map(|alias| self.sources(alias)).unwrap_or_default();
        for entry in chain.into_iter().rev() {
            note_sources(&mut sources, &entries[entry], entry, file);
        }
        sources
    }
}

/// The entries of the file that an entry is made of, itself first, and the one outside of it that they build on.
fn chain<'e>(
    entries: &'e IndexMap<String, Map<String, Value>>,
    name: &'e str,
) -> (Vec<&'e str>, Option<&'e str>) {
    let mut chain = vec![name];
    while let Some(alias) = alias_of(&entries[chain[chain.len() - 1]]) {
        if !entries.contains_key(alias) || chain.contains(&alias) {
            return (chain, Some(alias));
        }
        chain.push(alias);
    }
    (chain, None)
}

/// Notes what an entry says on top of what is known.
fn note_sources(
    sources: &mut IndexMap<String, Source>,
    own: &Map<String, Value>,
    entry: &str,
    file: &str,
) {
    for (key, value) in own {
        if value.is_null() {
            sources.shift_remove(key);
            continue;
        }
        let source = Source {
            entry: entry.to_owned(),
            file: file.to_owned(),
        };
        sources.insert(key.clone(), source);
    }
}

fn embedded_sources(name: &str) -> IndexMap<String, Source> {
    let Some(entry) = EMBEDDED.get(name) else {
        return IndexMap::new();
    };
    let own: Map<String, Value> =
        serde_json::from_str(entry.own.get()).expect("a test types every embedded entry");
    let mut sources = alias_of(&own).map(embedded_sources).unwrap_or_default();
    note_sources(&mut sources, &own, name, &format!("providers/{name}.yaml"));
    sources
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Catalogue")
            .field("with_embedded", &self.with_embedded)
            .field("loaded", &self.loaded().keys())
            .finish()
    }
}

fn alias_of(entry: &Map<String, Value>) -> Option<&str> {
    entry.get("alias")?.as_str()
}

fn find_embedded(name: &str) -> Option<Arc<Provider>> {
    let entry = EMBEDDED.get(name)?;
    let provider = entry.provider.get_or_init(|| {
        let own: Map<String, Value> =
            serde_json::from_str(entry.own.get()).expect("a test types every embedded entry");
        let raw = match alias_of(&own).and_then(find_embedded) {
            Some(base) => load::merged(&base.raw, own),
            None => own,
        };
        Arc::new(load::typed(name, raw).expect("a test types every embedded entry"))
    });
    Some(Arc::clone(provider))
}

#[cfg(test)]
mod tests;
