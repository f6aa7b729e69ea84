//! From the name that an import gives to the file it means.

use super::{
    Found, How, Missing, Packages, core_modules, inside, manifest::Instead, name_length, name_of,
    owner, parent,
};
use crate::compile::{
    imports::{self, Import},
    resolve::join,
};

/// What a bundle can hold.
const EXTENSIONS: [&str; 7] = [".js", ".mjs", ".cjs", ".json", ".ts", ".mts", ".cts"];

impl Packages<'_> {
    /// What `specifier` means in the file `importer`, a file of a package or one that names a package.
    pub(crate) fn resolve(
        &self,
        importer: &str,
        specifier: &str,
        how: How,
    ) -> Result<Found, Missing> {
        if specifier.starts_with('#') {
            return self.private(importer, specifier, how);
        }
        match self.instead_of(importer, specifier) {
            Some(Instead::Nothing) => return Ok(Found::Nothing),
            Some(Instead::Path(path)) if path != specifier => {
                let folder = owner(importer).unwrap_or_default();
                if path.starts_with('.') {
                    return self.file(&join(folder, &path), false);
                }
                return self.named(importer, &path, how);
            }
            Some(Instead::Path(_)) | None => {}
        }
        self.named(importer, specifier, how)
    }

    fn named(&self, importer: &str, specifier: &str, how: How) -> Result<Found, Missing> {
        match imports::judge(specifier) {
            Import::File => {
                let folder = specifier.ends_with('/') || specifier.ends_with('.');
                self.file(&join(parent(importer), specifier), folder)
            }
            Import::Offered(name) => Ok(Found::Offered(name)),
            Import::Sdk => Err(unavailable(
                specifier,
                "only files of the project may import the SDK",
            )),
            Import::Refused(reason) => Err(unavailable(specifier, reason)),
            Import::Core(reason) => {
                let name = specifier.strip_prefix("node:").unwrap_or(specifier);
                let installed = self.package(importer, name, how);
                let stand_in =
                    || core_modules::stand_in(name).filter(|_| owner(importer).is_some());
                match installed {
                    Ok(found) => Ok(found),
                    Err(_) => stand_in()
                        .map(Found::File)
                        .ok_or_else(|| unavailable(specifier, reason)),
                }
            }
            Import::Package => self.package(importer, specifier, how),
        }
    }

    /// `#name`, which a package gives to something of its own.
    fn private(&self, importer: &str, name: &str, how: How) -> Result<Found, Missing> {
        let folder = owner(importer).unwrap_or_default();
        let browser = self.browser.contains(folder);
        let target = self
            .manifest(folder)
            .and_then(|manifest| manifest.imported(name, how, browser));
        match target {
            Some(path) if path.starts_with("./") => self.file(&join(folder, &path), false),
            Some(other) if !other.starts_with('#') => self.named(importer, &other, how),
            _ => Err(Missing::NotExported {
                package: name_of(importer).unwrap_or("the project").to_owned(),
                subpath: name.to_owned(),
            }),
        }
    }

    /// `name` or `name/part` of a package, looked for upwards from the importer.
    fn package(&self, importer: &str, specifier: &str, how: How) -> Result<Found, Missing> {
        let (name, rest) = specifier.split_at(name_length(specifier));
        // `punycode/` is how packages name the package and not the module of Node.
        let rest = if rest == "/" { "" } else { rest };
        let mut folder = parent(importer);
        let found = loop {
            if folder != "node_modules" && !folder.ends_with("/node_modules") {
                let candidate = inside(folder, &format!("node_modules/{name}"));
                if self.files.is_file(&inside(&candidate, "package.json")) {
                    break candidate;
                }
            }
            if folder.is_empty() {
                return Err(Missing::Package(name.to_owned()));
            }
            folder = parent(folder);
        };
        let package = self.real(&found)?;
        self.part(name, &package, rest, how)
    }

    fn part(&self, name: &str, folder: &str, rest: &str, how: How) -> Result<Found, Missing> {
        let no_file = |path: &str| Missing::File {
            package: name.to_owned(),
            path: path.to_owned(),
        };
        let manifest = self.manifest(folder);
        let manifest = manifest.ok_or_else(|| no_file("package.json"))?;
        let browser = self.browser.contains(folder);
        if manifest.has_exports() {
            let subpath = format!(".{rest}");
            let target = manifest.exported(&subpath, how, browser);
            let target = target.ok_or_else(|| Missing::NotExported {
                package: name.to_owned(),
                subpath,
            })?;
            let path = join(folder, &target);
            if !path.starts_with(&format!("{folder}/")) {
                return Err(no_file(&target));
            }
            return self.file(&path, false);
        }
        if !rest.is_empty() {
            return self.file(&join(folder, &rest[1..]), rest.ends_with('/'));
        }
        let mains = manifest.mains(how, browser);
        mains
            .iter()
            .map(|main| (join(folder, main), false))
            .chain([(folder.to_owned(), true)])
            .find_map(|(path, is_folder)| self.existing(&path, is_folder))
            .ok_or_else(|| no_file(mains.first().unwrap_or(&"index.js")))
            .and_then(|path| self.kept(path))
    }

    /// A file by its path, which may lack its extension or name a folder.
    fn file(&self, path: &str, is_folder: bool) -> Result<Found, Missing> {
        match self.existing(path, is_folder) {
            Some(found) => self.kept(found),
            None => Err(Missing::File {
                package: name_of(path).unwrap_or("the project").to_owned(),
                path: path.to_owned(),
            }),
        }
    }

    fn existing(&self, path: &str, is_folder: bool) -> Option<String> {
        let is_file = |path: &String| self.files.is_file(path);
        let whole = Some(path.to_owned()).filter(is_file);
        let extended = || {
            EXTENSIONS
                .iter()
                .map(|extension| format!("{path}{extension}"))
                .find(is_file)
        };
        let named = if is_folder {
            None
        } else {
            whole.or_else(extended)
        };
        named.or_else(|| {
            let main = self.manifest(path).and_then(|manifest| {
                let mains = manifest.mains(How::Require, false);
                let mains = mains.into_iter().map(|main| join(path, main));
                mains
                    .filter(|main| main != path)
                    .find_map(|main| self.existing_file(&main))
            });
            main.or_else(|| self.existing_file(&inside(path, "index")))
        })
    }

    /// Like [`Packages::existing`], without folders that lead to further folders' main files.
    fn existing_file(&self, path: &str) -> Option<String> {
        let index = inside(path, "index");
        std::iter::once(path.to_owned())
            .chain(
                EXTENSIONS
                    .iter()
                    .map(|extension| format!("{path}{extension}")),
            )
            .chain(
                EXTENSIONS
                    .iter()
                    .map(|extension| format!("{index}{extension}")),
            )
            .find(|path| self.files.is_file(path))
    }

    /// The file without links on its way, after what its package says of browsers.
    fn kept(&self, path: String) -> Result<Found, Missing> {
        let path = self.real(&path)?;
        if !EXTENSIONS.iter().any(|extension| path.ends_with(extension)) {
            return Err(unavailable(&path, core_modules::NOT_CODE));
        }
        let Some(folder) = owner(&path).filter(|folder| self.browser.contains(*folder)) else {
            return Ok(Found::File(path));
        };
        let shown = format!(".{}", &path[folder.len()..]);
        let stem = shown
            .rsplit_once('.')
            .map_or(shown.as_str(), |(stem, _)| stem);
        let Some(manifest) = self.manifest(folder) else {
            return Ok(Found::File(path));
        };
        let instead = manifest
            .instead_of(&shown)
            .or_else(|| manifest.instead_of(stem));
        match instead {
            None => Ok(Found::File(path)),
            Some(Instead::Nothing) => Ok(Found::Nothing),
            Some(Instead::Path(other)) => match self.existing(&join(folder, &other), false) {
                Some(found) => Ok(Found::File(self.real(&found)?)),
                None => Ok(Found::File(path)),
            },
        }
    }

    /// What the importer's package says that browsers get instead of a module.
    fn instead_of(&self, importer: &str, specifier: &str) -> Option<Instead> {
        // What is relative means another file in each folder: it is looked up once it is found.
        let folder = owner(importer)
            .filter(|folder| !specifier.starts_with('.') && self.browser.contains(*folder))?;
        self.manifest(folder)?.instead_of(specifier)
    }

    fn real(&self, path: &str) -> Result<String, Missing> {
        self.files.real(path).map_err(|error| Missing::Outside {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }
}

fn unavailable(name: &str, reason: &'static str) -> Missing {
    Missing::Unavailable {
        name: name.to_owned(),
        reason,
    }
}
