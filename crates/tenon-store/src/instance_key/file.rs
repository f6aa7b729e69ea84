//! The key file: one key per line, whichever of them the database wants.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use tenon_core::Secret;

use super::parse_instance_keys;
use crate::StoreError;

/// Largest key file that is read: some thousands of keys.
const MAX_BYTES: u64 = 256 * 1024;

/// A file that holds instance keys.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile(pub(crate) PathBuf);

impl KeyFile {
    /// The keys in it; none if there is no file. Empty lines and lines that begin with `#` do not count.
    pub(crate) fn read(&self) -> Result<Vec<Secret<[u8; 32]>>, StoreError> {
        let text = match self.text() {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("read the instance key from", &error)),
        };
        match parse_instance_keys(&text) {
            Ok(keys) if !keys.is_empty() => Ok(keys),
            // A file that lost its content is no file that never was: nothing may be made up in its place.
            Ok(_) => Err(StoreError::Key(format!(
                "`{}` holds no key",
                self.0.display()
            ))),
            Err(error) => Err(StoreError::Key(format!("`{}`: {error}", self.0.display()))),
        }
    }

    /// Makes the file with a first key. It must not exist.
    pub(crate) fn create(&self, key: &Secret<[u8; 32]>) -> Result<(), StoreError> {
        let text = format!("{}\n", BASE64_STANDARD.encode(key.expose()));
        write_private(&self.0, &text)
            .map_err(|error| self.failed("write the instance key to", &error))
    }

    /// Makes sure that a key stands in the file, whole or not at all. The others stay: backups may need them.
    pub(crate) fn add(&self, key: &Secret<[u8; 32]>, note: &str) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| self.failed("add the new instance key to", &error);
        let text = self.text().map_err(failed)?;
        let encoded = BASE64_STANDARD.encode(key.expose());
        if lines(&text).any(|line| line == encoded) {
            return Ok(());
        }
        let text = format!("# {note}\n{encoded}\n{text}");
        let beside = self.0.with_extension("key.new");
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            Ok(()) | Err(_) => {}
        }
        write_private(&beside, &text).map_err(failed)?;
        std::fs::rename(&beside, &self.0).map_err(failed)?;
        sync_folder(&self.0).map_err(failed)
    }

    fn text(&self) -> std::io::Result<String> {
        use std::io::Read as _;
        let mut text = String::new();
        std::fs::File::open(&self.0)?
            .take(MAX_BYTES)
            .read_to_string(&mut text)?;
        Ok(text)
    }

    fn failed(&self, doing: &str, error: &std::io::Error) -> StoreError {
        StoreError::Key(format!("cannot {doing} `{}`: {error}", self.0.display()))
    }
}

pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Writes a file that did not exist, readable by its owner only, and makes sure that it stays.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()?;
    sync_folder(file)
}

fn sync_folder(file: &Path) -> std::io::Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tenon_core::Secret;

    use super::KeyFile;

    #[test]
    fn a_file_holds_several_keys_and_keeps_its_rights() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile(folder.path().join("instance.key"));
        assert!(file.read().unwrap().is_empty());
        let (first, second) = (Secret::new([1; 32]), Secret::new([2; 32]));
        file.create(&first).unwrap();
        assert!(file.create(&second).is_err(), "it overwrote a key");
        file.add(&second, "new").unwrap();
        file.add(&second, "again").unwrap();
        let keys = file.read().unwrap();
        assert!(keys == [second, first]);
        let mode = std::fs::metadata(&file.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_emptied_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile(folder.path().join("instance.key"));
        std::fs::write(&file.0, "# nothing\n").unwrap();
        let error = file.read().unwrap_err().to_string();
        assert!(error.contains("holds no key"), "{error}");
        std::fs::write(&file.0, "not a key\n").unwrap();
        let error = file.read().unwrap_err().to_string();
        assert!(!error.contains("not a key"), "{error}");
    }
}
