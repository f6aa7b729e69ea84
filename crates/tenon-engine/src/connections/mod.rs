//! Connections: list, get, import, metadata, delete.
