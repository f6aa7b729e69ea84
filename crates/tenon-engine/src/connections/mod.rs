//! Connections: stored, labelled, deleted.
//!
//! [`save`] is the one way a connection is stored, whoever obtained its credentials ([`import`] for those of the app);
//! [`settle`] follows once its transaction has committed. Reading credentials for use is `auth::refresh::fresh`.

mod change;
mod delete;
pub mod expiry;
mod import;
pub mod own;
mod save;
pub mod sessions;
pub mod tags;
mod webhook;

pub use change::{ChangeError, ConnectionPatch, MetadataChange, change_metadata, patch};
pub use delete::{delete, delete_for, delete_in};
pub use import::import;
pub use save::{AuthOperation, NewConnection, SavedConnection, SettleError, save, settle, store};
pub use webhook::{AuthFailure, announce_failure};
