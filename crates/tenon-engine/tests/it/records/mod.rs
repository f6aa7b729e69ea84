//! Records (records.md), on both databases.

mod announce;
mod read;
mod sweep;
mod track;
mod write;
