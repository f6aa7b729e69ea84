//! A `package.json`, as far as bundling asks it.

use serde_json::Value;

use super::{How, exports};

/// The fields of one package.
#[derive(Debug)]
pub(super) struct Manifest(Value);

/// What the field `browser` puts in the place of a file or module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    Path(String),
    Nothing,
}

impl Manifest {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value: Value = serde_json::from_str(text).ok()?;
        value.is_object().then_some(Self(value))
    }

    /// Whether `.js` files speak the language's own modules.
    pub(super) fn is_module(&self) -> bool {
        self.0["type"] == "module"
    }

    /// Whether the package says which parts of it may be imported.
    pub(super) fn has_exports(&self) -> bool {
        !self.0["exports"].is_null()
    }

    /// The file behind `.` or `./part`, by the field `exports`.
    pub(super) fn exported(&self, subpath: &str, how: How, browser: bool) -> Option<String> {
        exports::target(&self.0["exports"], subpath, conditions(how, browser))
    }

    /// What a package calls `#name` inside.
    pub(super) fn imported(&self, name: &str, how: How, browser: bool) -> Option<String> {
        exports::target(&self.0["imports"], name, conditions(how, browser))
    }

    /// Files that may be the package's entry where `exports` is missing, the best first.
    pub(super) fn mains(&self, how: How, browser: bool) -> Vec<&str> {
        let order: &[&str] = match (browser, how) {
            (false, _) => &["main", "module"],
            (true, How::Import) => &["browser", "module", "main"],
            (true, How::Require) => &["browser", "main", "module"],
        };
        order
            .iter()
            .filter_map(|field| self.0[*field].as_str())
            .filter(|path| !path.is_empty())
            .collect()
    }

    /// What browsers get instead of `./file` or of a module.
    pub(super) fn instead_of(&self, name: &str) -> Option<Instead> {
        match self.0["browser"].get(name)? {
            Value::String(path) => Some(Instead::Path(path.clone())),
            Value::Bool(false) => Some(Instead::Nothing),
            _ => None,
        }
    }

    /// Whether anything would be different without Node.
    pub(super) fn has_browser_build(&self) -> bool {
        !self.0["browser"].is_null()
            || depends_on_node(&self.0["exports"])
            || depends_on_node(&self.0["imports"])
    }
}

fn conditions(how: How, browser: bool) -> &'static [&'static str] {
    match (browser, how) {
        (false, How::Import) => &["node", "import", "module"],
        (false, How::Require) => &["node", "require"],
        (true, How::Import) => &["browser", "import", "module"],
        (true, How::Require) => &["browser", "require"],
    }
}

fn depends_on_node(field: &Value) -> bool {
    match field {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name == "node" || name == "browser" || depends_on_node(value)),
        Value::Array(several) => several.iter().any(depends_on_node),
        _ => false,
    }
}
