//! Records (records.md), on both databases.

mod announce;
mod read;
mod track;
mod write;
