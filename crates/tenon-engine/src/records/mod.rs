//! Records: save, update, delete, list, prune.
