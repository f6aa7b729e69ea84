//! What the engine does, seen from outside.

mod delivery;
mod egress;
mod node;
mod records;
mod world;
