//! A stream of sealed chunks (the STREAM construction): each chunk has its number in its nonce, and the last one says that it
//! is the last, so that nothing can be cut off, left out or put elsewhere.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

/// Bytes of a chunk before it is sealed.
pub(super) const CHUNK: usize = 64 * 1024;

/// Bytes that sealing adds.
pub(super) const TAG: usize = 16;

/// Seals bytes as they come.
pub(super) struct Sealer {
    key: LessSafeKey,
    number: u64,
    waiting: Vec<u8>,
}

impl Sealer {
    pub(super) const fn new(key: LessSafeKey) -> Self {
        Self {
            key,
            number: 0,
            waiting: Vec::new(),
        }
    }

    /// Takes bytes; gives the chunks that are full.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.waiting.extend_from_slice(bytes);
        let mut sealed = Vec::new();
        // A chunk is kept back: the last one must be told apart.
        while self.waiting.len() > CHUNK {
            let rest = self.waiting.split_off(CHUNK);
            let chunk = std::mem::replace(&mut self.waiting, rest);
            self.seal(chunk, false, &mut sealed);
        }
        sealed
    }

    /// The last chunk.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let mut sealed = Vec::new();
        let chunk = std::mem::take(&mut self.waiting);
        self.seal(chunk, true, &mut sealed);
        sealed
    }

    fn seal(&mut self, mut chunk: Vec<u8>, is_last: bool, out: &mut Vec<u8>) {
        let nonce = nonce(self.number, is_last);
        self.number += 1;
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut chunk)
            .expect("a chunk is far below the limit of AES-GCM");
        let length = u32::try_from(chunk.len()).expect("a chunk is small");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&chunk);
    }
}

/// Opens chunk by chunk.
pub(super) struct Opener {
    key: LessSafeKey,
    number: u64,
}

impl Opener {
    pub(super) const fn new(key: LessSafeKey) -> Self {
        Self { key, number: 0 }
    }

    /// The content of the next chunk; nothing if it is not what was sealed, or not in its place.
    pub(super) fn open(&mut self, mut chunk: Vec<u8>, is_last: bool) -> Option<Vec<u8>> {
        let nonce = nonce(self.number, is_last);
        self.number += 1;
        let length = self
            .key
            .open_in_place(nonce, Aad::empty(), &mut chunk)
            .ok()?
            .len();
        chunk.truncate(length);
        Some(chunk)
    }
}

fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[3..11].copy_from_slice(&number.to_be_bytes());
    bytes[11] = u8::from(is_last);
    Nonce::assume_unique_for_key(bytes)
}
