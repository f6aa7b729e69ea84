//! Fields that a person fills in: the end user's parameters and secrets, the owner's settings.

use indexmap::IndexMap;
use serde::Deserialize;

/// Fields by name, in the order of the file.
pub type Fields = IndexMap<String, Field>;

/// One field of a form (auth-and-proxy.md, 9).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Field {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub example: Option<String>,
    /// Regular expression that the value must match.
    pub pattern: Option<String>,
    pub format: Option<FieldFormat>,
    /// The values to choose from.
    #[serde(rename = "enum")]
    pub choices: Option<Vec<String>>,
    pub default_value: Option<String>,
    /// Shown before the input; not part of the value.
    pub prefix: Option<String>,
    /// Shown behind the input; not part of the value.
    pub suffix: Option<String>,
    /// Fields with an order come before credentials.
    pub order: Option<i64>,
    pub optional: bool,
    /// Filled by the server, never asked.
    pub automated: bool,
    /// Never shown, but may be given by the application.
    pub hidden: bool,
    pub secret: bool,
    pub doc_section: Option<String>,
    pub visible_when: Option<VisibleWhen>,
}

impl Field {
    /// Whether somebody has to give a value: not optional, not filled by the server, no default (an empty one counts).
    pub const fn is_required(&self) -> bool {
        !self.optional && !self.automated && self.default_value.is_none()
    }
}

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldFormat {
    Hostname,
    Uuid,
    Email,
    Uri,
}

/// Shows a field only while another one has a certain value.
#[derive(Clone, Debug, Deserialize)]
pub struct VisibleWhen {
    pub field: String,
    pub equals: String,
}
