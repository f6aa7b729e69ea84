//! Fetches zod by its lock file and lists the modules that an isolate may load of it.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Component, Path, PathBuf},
    process::Command,
};

/// Module of zod that re-exports every language; ours loads a language when it is asked for.
const LANGUAGES: &str = "v4/locales/index.cjs";

fn main() {
    let source =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("js");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for file in ["package.json", "package-lock.json"] {
        println!("cargo::rerun-if-changed={}", source.join(file).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let zod = fetch(&source, &out.join("npm"));
    let modules = reachable(&zod, "index.cjs");
    fs::write(out.join("zod.rs"), listing(&modules, &out)).expect("OUT_DIR can be written");
}

/// Installs what the lock file names, unless that was done before; answers with zod's folder.
fn fetch(source: &Path, target: &Path) -> PathBuf {
    let lock =
        fs::read(source.join("package-lock.json")).expect("js/package-lock.json can be read");
    let stamp = target.join("installed.json");
    let zod = target.join("node_modules").join("zod");
    if fs::read(&stamp).is_ok_and(|done| done == lock) && zod.join("index.cjs").is_file() {
        return zod;
    }
    fs::create_dir_all(target).expect("OUT_DIR can be written");
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), target.join(file)).expect("OUT_DIR can be written");
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let status = Command::new(npm)
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ])
        .current_dir(target)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!(
            "`npm ci` for zod failed with {status}; hint: is the package registry reachable?"
        ),
        Err(error) => {
            panic!("`npm` could not be started ({error}); hint: install Node.js, it brings npm")
        }
    }
    fs::write(stamp, lock).expect("OUT_DIR can be written");
    zod
}

/// Every module that `entry` leads to, by its path inside the package.
fn reachable(package: &Path, entry: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut next = vec![entry.to_owned()];
    while let Some(name) = next.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let text = fs::read_to_string(package.join(&name))
            .unwrap_or_else(|error| panic!("zod has no `{name}`: {error}"));
        for path in required(&text) {
            next.push(joined(&name, path));
        }
        let text = if name == LANGUAGES {
            languages(&text)
        } else {
            text
        };
        found.insert(name, text);
    }
    found
}

/// Relative paths of the `require` calls in `text`.
fn required(text: &str) -> impl Iterator<Item = &str> {
    text.split("require(\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(path, _)| path)
        .filter(|path| path.starts_with('.'))
}

fn joined(from: &str, path: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for component in Path::new(from)
        .parent()
        .unwrap_or_else(|| Path::new(""))
        .join(path)
        .components()
    {
        match component {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts.join("/")
}

/// The same exports as zod's list of languages, each loaded when first read.
fn languages(text: &str) -> String {
    let mut lines = vec![
        "\"use strict\";".to_owned(),
        "Object.defineProperty(exports, \"__esModule\", { value: true });".to_owned(),
    ];
    let mut path = None;
    for line in text.lines() {
        if line.contains("= require(\"") {
            path = required(line).next();
        } else if let (Some(module), Some(rest)) =
            (path, line.strip_prefix("Object.defineProperty(exports, \""))
        {
            let (name, _) = rest.split_once('"').expect("an export has a quoted name");
            lines.push(format!(
                "Object.defineProperty(exports, \"{name}\", {{ enumerable: true, get: () => {{ const found = require(\"{module}\"); return found.__esModule ? found.default : found; }} }});"
            ));
            path = None;
        }
    }
    assert!(
        lines.len() > 20,
        "zod lists its languages in another way than this build knows"
    );
    lines.join("\n")
}

/// A Rust array of `("zod/<path>", text)`.
fn listing(modules: &BTreeMap<String, String>, out: &Path) -> String {
    let folder = out.join("zod");
    fs::create_dir_all(&folder).expect("OUT_DIR can be written");
    let mut text = String::from("&[\n");
    for (index, (name, source)) in modules.iter().enumerate() {
        let file = folder.join(format!("{index}.js"));
        fs::write(&file, source).expect("OUT_DIR can be written");
        text.push_str(&format!(
            "    ({:?}, include_str!({:?})),\n",
            format!("zod/{name}"),
            file
        ));
    }
    text.push(']');
    text
}
