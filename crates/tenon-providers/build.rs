//! Packs `providers/*.yaml`, `providers/webhooks/*.yaml` and `providers/revocations/*.yaml` into one compressed JSON object each: a small binary, and no
//! YAML parsing when it starts.

use std::{
    env, fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::DeflateEncoder};
use serde_json::{Map, Value};

fn main() {
    let root = manifest_dir().join("../../providers");
    println!("cargo:rerun-if-changed={}", root.display());
    pack(&root, "catalogue.json.deflate");
    pack(&root.join("webhooks"), "webhooks.json.deflate");
    pack(&root.join("revocations"), "revocations.json.deflate");
}

fn pack(folder: &Path, name: &str) {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| fail(folder, &error))
        .map(|entry| entry.expect("its entries are readable").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();

    let mut entries = Map::new();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&path).unwrap_or_else(|error| fail(&path, &error));
        let entry: Value =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| fail(&path, &error));
        entries.insert(name.into_owned(), entry);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a build script is told by its environment where to write"
    )]
    let target = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let file = fs::File::create(Path::new(&target).join(name)).expect("OUT_DIR is writable");
    let mut packed = DeflateEncoder::new(BufWriter::new(file), Compression::best());
    serde_json::to_writer(&mut packed, &Value::Object(entries)).expect("OUT_DIR is writable");
    packed
        .finish()
        .and_then(|mut file| file.flush())
        .expect("OUT_DIR is writable");
}

fn fail(path: &Path, error: &dyn std::fmt::Display) -> ! {
    panic!("{}: {error}", path.display())
}

/// Asked when it runs: a build script that was compiled in another checkout must not read that one's files.
fn manifest_dir() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts"))
}
