//! How a file came into a bundle, for complaints: the user knows the import they wrote, not the package behind it.

use super::{
    diagnostic::Diagnostic,
    packages::{self, Missing},
};

/// Most files of a chain of imports that are named.
const SHOWN: usize = 6;

/// A file on its way into a bundle.
pub(super) struct Origin {
    pub(super) path: String,
    /// The file that asked for it first; none for the entry.
    pub(super) importer: Option<usize>,
    /// Where a file of the project asks for it, if it belongs to a package.
    pub(super) place: Option<Diagnostic>,
    /// Imports between the entry and it.
    pub(super) depth: usize,
}

impl Origin {
    pub(super) fn entry(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            importer: None,
            place: None,
            depth: 0,
        }
    }
}

/// A complaint at the import in the project that leads to the file at `index`.
pub(super) fn blamed(queue: &[Origin], index: usize, message: String) -> Diagnostic {
    let mut at = Some(index);
    while let Some(origin) = at.map(|index| &queue[index]) {
        if let Some(place) = &origin.place {
            return Diagnostic {
                message,
                ..place.clone()
            };
        }
        at = origin.importer;
    }
    Diagnostic::of_file(&queue[index].path, message)
}

/// `imported by way of a.ts > node_modules/b/index.js`
pub(super) fn chain(queue: &[Origin], index: usize) -> String {
    let mut paths = Vec::new();
    let mut at = Some(index);
    while let Some(origin) = at.map(|index| &queue[index]) {
        paths.push(origin.path.as_str());
        at = origin.importer;
    }
    paths.reverse();
    if paths.len() > SHOWN {
        let left_out = paths.len() - SHOWN + 1;
        let between = SHOWN / 2;
        paths.splice(between..between + left_out, ["..."]);
    }
    format!("imported by way of {}", paths.join(" > "))
}

/// What is wrong with an import that leads nowhere, put into words at `place`.
pub(super) fn explain(
    missing: &Missing,
    importer: &str,
    specifier: &str,
    chain: Option<String>,
    place: Diagnostic,
) -> Diagnostic {
    let who = packages::name_of(importer);
    let (message, why) = match missing {
        Missing::Package(name) => (
            match who {
                Some(who) => format!(
                    "the package `{who}` needs the package `{name}`, which is not in node_modules"
                ),
                None => format!("there is no package `{name}` in node_modules"),
            },
            format!("install it in the project: npm install {name}"),
        ),
        Missing::NotExported { package, subpath } => (
            format!("the package `{package}` does not export `{subpath}`"),
            "its package.json says what may be imported".to_owned(),
        ),
        Missing::File { package, path } => (
            format!("the package `{package}` has no file `{path}`"),
            "is it installed completely?".to_owned(),
        ),
        Missing::Outside { path, reason } => (
            format!("`{path}` cannot be bundled: {reason}"),
            "packages are taken from the project's own node_modules only".to_owned(),
        ),
        Missing::Unavailable { name, reason } => (
            match who {
                Some(who) => {
                    format!("the package `{who}` needs `{name}`, which functions do not have")
                }
                None => format!("functions cannot import `{specifier}`"),
            },
            (*reason).to_owned(),
        ),
    };
    let hint = match chain {
        Some(chain) => format!("{why}; {chain}"),
        None => why,
    };
    Diagnostic { message, ..place }.with_hint(hint)
}
