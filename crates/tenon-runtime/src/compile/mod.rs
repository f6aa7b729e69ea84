//! From a TypeScript project to bundles and definitions.
//!
//! [`project`] finds the functions of a folder, [`bundle`] turns one of them and everything it imports into a single
//! `CommonJS` text (functions.md, 4.1), [`definitions`] loads that text once to read what the function says of itself.
//! What is wrong with the code comes back as a [`CompileError`] that names file, line and column.

pub mod bundle;
pub mod definitions;
pub mod deployment;
pub mod diagnostic;
pub mod files;
pub mod imports;
pub mod legacy;
pub mod project;
pub mod source_map;

mod binding;
mod checks;
mod entry;
mod graph;
mod module;
mod origin;
mod packages;
mod resolve;
mod rewrite;

pub use bundle::{Bundled, bundle};
pub use definitions::{Definition, define};
pub use diagnostic::{CompileError, Diagnostic};
pub use files::{Disk, Files, InMemory};
pub use project::{EntryPoint, Project, ProjectError};
