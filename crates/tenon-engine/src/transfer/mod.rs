//! Everything of an environment or of the instance in one sealed file, and back (docs/reference/export.md).

mod export;
mod import;
mod key;
mod stream;

pub use export::{ExportError, Exported, export};
pub use import::{ImportError, Imported, Imports, import};
pub use key::{Identity, KeyError, Opening, Recipient, Sealing};

/// First line of a file.
const MAGIC: &[u8] = b"tenon export 1\n";
