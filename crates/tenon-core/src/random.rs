//! The source of randomness.

use std::sync::Arc;

/// Unpredictable bytes. Tests bring a seeded one.
pub trait Random: Send + Sync + 'static {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// Randomness that rooms share.
pub type SharedRandom = Arc<dyn Random>;

/// The operating system's cryptographic randomness.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer)
            .expect("the operating system always provides randomness after boot");
    }
}

/// A reproducible stream for tests: BLAKE3 in counter mode over a seed. Not for secrets.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    counter: std::sync::atomic::AtomicU64,
}

impl SeededRandom {
    /// The stream that belongs to `seed`.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            counter: std::sync::atomic::AtomicU64::new(0),
        }
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let block = self
            .counter
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&block.to_le_bytes());
        hasher.finalize_xof().fill(buffer);
    }
}
