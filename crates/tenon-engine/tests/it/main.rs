//! What the engine does, seen from outside.

mod egress;
mod records;
mod world;
