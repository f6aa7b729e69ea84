//! How a provider is told that tokens are not wanted any more: RFC 7009 with little said, special calls with more.

use std::{
    collections::BTreeMap,
    io::Read as _,
    sync::{Arc, LazyLock},
};

use flate2::read::DeflateDecoder;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Catalogue, Provider};

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/revocations.json.deflate"));

/// The revocations of this repository by provider, unpacked and typed when first asked for.
static REVOCATIONS: LazyLock<BTreeMap<String, Arc<Revocation>>> = LazyLock::new(|| {
    let mut json = String::new();
    DeflateDecoder::new(PACKED)
        .read_to_string(&mut json)
        .expect("the build script packed it");
    let entries: BTreeMap<String, Revocation> =
        serde_json::from_str(&json).expect("a test types every revocation");
    entries
        .into_iter()
        .map(|(name, entry)| (name, Arc::new(entry)))
        .collect()
});

/// How tokens of a provider are revoked. Texts are templates: `${token}`, `${clientId}`, `${clientSecret}` and
/// `${connectionConfig.x}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    pub url: String,
    #[serde(default)]
    pub method: RevocationMethod,
    /// Which tokens are sent, one request each.
    #[serde(default)]
    pub token: RevokedToken,
    /// How the client shows who it is.
    #[serde(default)]
    pub client: RevocationClient,
    #[serde(default)]
    pub body: RevocationBody,
    /// Members of the body; `token` and `token_type_hint` as RFC 7009 has them where nothing is said.
    #[serde(default)]
    pub params: Option<Map<String, Value>>,
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// Statuses, besides 2xx, that mean that the token does not work any more.
    #[serde(default)]
    pub gone: Vec<u16>,
    /// What a 2xx answer must say, where the status alone says nothing.
    #[serde(default)]
    pub success: Option<SuccessWhen>,
    /// What an answer says when the token does not work any more.
    #[serde(default)]
    pub gone_when: Option<GoneWhen>,
}

impl Revocation {
    /// RFC 7009 with nothing special, at an address that holds no placeholders.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            method: RevocationMethod::default(),
            token: RevokedToken::default(),
            client: RevocationClient::default(),
            body: RevocationBody::default(),
            params: None,
            headers: IndexMap::new(),
            gone: Vec::new(),
            success: None,
            gone_when: None,
        }
    }
}

/// Method of a revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RevocationMethod {
    #[default]
    Post,
    Delete,
}

/// Which token ends the grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedToken {
    /// The refresh token, which takes the access tokens with it; the access token where there is no other.
    #[default]
    Either,
    RefreshToken,
    AccessToken,
    /// One after the other.
    Both,
}

/// Where the client id and secret go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RevocationClient {
    #[default]
    Body,
    Basic,
    None,
}

/// How the body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RevocationBody {
    #[default]
    Form,
    Json,
    None,
}

/// A member of the answer and what it must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuccessWhen {
    pub path: String,
    pub equals: Value,
}

/// A member of the answer and the texts that it may be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoneWhen {
    pub path: String,
    pub one_of: Vec<String>,
}

impl Catalogue {
    /// How tokens of a provider are revoked: by its own rules, by ours for it or for the one it is an alias of.
    pub fn revocation(&self, provider: &Provider) -> Option<Arc<Revocation>> {
        if let Some(own) = &provider.revocation {
            return Some(Arc::clone(own));
        }
        let alias = provider.alias.as_deref();
        [Some(provider.name.as_str()), alias]
            .into_iter()
            .flatten()
            .find_map(|name| REVOCATIONS.get(name).map(Arc::clone))
    }
}

#[cfg(test)]
mod tests {
    use super::REVOCATIONS;
    use crate::Catalogue;

    #[test]
    fn every_revocation_is_typed_and_belongs_to_a_provider() {
        let catalogue = Catalogue::embedded();
        assert!(REVOCATIONS.len() > 20);
        for (name, revocation) in REVOCATIONS.iter() {
            let provider = catalogue.find(name);
            let provider = provider.unwrap_or_else(|| panic!("no provider `{name}`"));
            assert!(catalogue.revocation(&provider).is_some());
            assert!(
                revocation.url.starts_with("https://")
                    || revocation.url.starts_with("${connectionConfig.")
            );
            for (header, _) in &revocation.headers {
                assert_eq!(*header, header.to_lowercase(), "{name}");
            }
        }
        let mail = catalogue.find("google-mail").unwrap();
        let url = &catalogue.revocation(&mail).unwrap().url;
        assert_eq!(
            url, "https://oauth2.googleapis.com/revoke",
            "an alias has what it stands for"
        );
    }
}
