//! How a provider's API is called: address, headers, retries, paging.

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::AnswerCheck;

/// The `proxy` part of a provider (auth-and-proxy.md, 9 and 10).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProxySettings {
    /// Template; may hold alternatives.
    pub base_url: String,
    /// Header templates by lower-case name.
    pub headers: IndexMap<String, String>,
    /// Query templates; set when they resolve.
    pub query: IndexMap<String, String>,
    /// Body templates, merged into object and form bodies.
    pub body: Map<String, Value>,
    pub verification: Option<Verification>,
    pub retry: Option<Retry>,
    pub paginate: Option<Paginate>,
    /// Parameters that must be collected although only endpoints use them, as templates by name.
    pub connection_config: IndexMap<String, String>,
    pub decompress: bool,
    pub forward_headers_on_redirect: bool,
}

/// The request that proves credentials (auth-and-proxy.md, 6.3). Endpoints are tried in order; the first 2xx wins.
#[derive(Clone, Debug, Deserialize)]
pub struct Verification {
    #[serde(default = "get")]
    pub method: String,
    #[serde(deserialize_with = "one_or_many")]
    pub endpoints: Vec<String>,
    #[serde(default)]
    pub base_url_override: Option<String>,
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// Body template: an object or a text.
    #[serde(default)]
    pub data: Option<Value>,
    /// What a good answer says about itself, where its status says nothing.
    #[serde(default)]
    pub expect: Option<AnswerCheck>,
}

fn get() -> String {
    "GET".to_owned()
}

/// When to try again, and where the provider says how long to wait (auth-and-proxy.md, 10.4).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Retry {
    /// Headers that hold seconds to wait; the longest counts.
    #[serde(deserialize_with = "one_or_many")]
    pub after: Vec<String>,
    /// Headers that hold the instant to wait for.
    #[serde(deserialize_with = "one_or_many")]
    pub at: Vec<String>,
    /// Statuses that are retried instead of the usual ones: `403`, `5xx`, `500-502`.
    #[serde(deserialize_with = "one_or_many")]
    pub error_code: Vec<String>,
    /// Header that tells how many requests are left; `0` means retry.
    pub remaining: Option<String>,
    pub in_body: Option<InBody>,
}

/// A waiting time inside the body.
#[derive(Clone, Debug, Deserialize)]
pub struct InBody {
    pub path: String,
    /// Regular expression with one group. Slashes around it are not part of it: see [`InBody::pattern`].
    pub value: String,
    pub strategy: RetryStrategy,
}

impl InBody {
    /// The regular expression without the slashes that some files put around it.
    pub fn pattern(&self) -> &str {
        self.value
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
            .unwrap_or(&self.value)
    }
}

/// How to read a waiting time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetryStrategy {
    /// Seconds to wait.
    After,
    /// Instant to wait for.
    At,
}

/// How lists are paged (auth-and-proxy.md, 10.6). Every key may be overridden by the call.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Paginate {
    #[serde(rename = "type")]
    pub kind: Option<PaginationType>,
    pub limit: Option<u64>,
    pub limit_name_in_request: Option<String>,
    pub response_path: Option<String>,
    pub in_body: Option<bool>,
    pub cursor_path_in_response: Option<String>,
    pub cursor_name_in_request: Option<String>,
    pub link_rel_in_response_header: Option<String>,
    pub link_path_in_response_body: Option<String>,
    pub offset_name_in_request: Option<String>,
    pub offset_start_value: Option<u64>,
    pub offset_calculation_method: Option<OffsetCalculation>,
}

/// The three ways to the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaginationType {
    Cursor,
    Link,
    Offset,
}

/// What an offset counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OffsetCalculation {
    ByResponseSize,
    PerPage,
}

/// Reads `x` and `[x, y]` alike: the files use both.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}
