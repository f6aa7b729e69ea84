//! Secret keys that can be recognised: `tenon_sk_<environment>_<32 random><6 checksum>`.
//!
//! A scanner that finds one in a repository or a log can tell offline that it is one: the checksum is the CRC-32 of all
//! that stands before it, in base 62. Keys as the published clients know them (UUIDs of version 4) stay as good.

use crate::{Secret, SharedRandom};

/// How every such key begins.
pub const PREFIX: &str = "tenon_sk_";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 190 bits.
const RANDOM_CHARS: usize = 32;

/// 62⁶ is more than 2³².
const CHECKSUM_CHARS: usize = 6;

/// Characters of the environment's name that are shown.
const NAME_CHARS: usize = 24;

/// Makes a key of an environment.
pub fn make(environment: &str, random: &SharedRandom) -> Secret {
    let name: String = environment.chars().take(NAME_CHARS).collect();
    let mut text = format!("{PREFIX}{name}_");
    let wanted = text.len() + RANDOM_CHARS;
    while text.len() < wanted {
        let mut bytes = [0; RANDOM_CHARS];
        random.fill(&mut bytes);
        // 248 is the largest multiple of 62 within a byte: what lies above would favour some digits.
        let digits = bytes.iter().filter(|byte| **byte < 248);
        let missing = wanted - text.len();
        text.extend(
            digits
                .take(missing)
                .map(|byte| char::from(DIGITS[usize::from(byte % 62)])),
        );
    }
    text.push_str(&checksum(&text));
    Secret::new(text)
}

/// Whether a text is one of these keys, and not only looks like one.
pub fn is_one(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else {
        return false;
    };
    let is_long_enough = rest.len() > RANDOM_CHARS + CHECKSUM_CHARS + 1;
    if !is_long_enough || !text.is_ascii() || rest.len() > 256 {
        return false;
    }
    let (body, sum) = text.split_at(text.len() - CHECKSUM_CHARS);
    let (name, random) = body.split_at(body.len() - RANDOM_CHARS);
    name.ends_with('_')
        && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && checksum(body) == sum
}

fn checksum(text: &str) -> String {
    let mut rest = crc32(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(rest % 62).unwrap_or(0)];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

/// CRC-32 as zip, PNG and Ethernet have it.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let low = crc & 1;
            crc >>= 1;
            if low == 1 {
                crc ^= 0xedb8_8320;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{crc32, is_one, make};
    use crate::{SharedRandom, random::SystemRandom};

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_key_is_recognised_and_a_typing_error_is_not() {
        let random: SharedRandom = Arc::new(SystemRandom);
        for environment in ["dev", "a", "with_under-score", &"x".repeat(60)] {
            let key = make(environment, &random).into_exposed();
            assert!(is_one(&key), "{key}");
            for at in 0..key.len() {
                let mut wrong = key.clone().into_bytes();
                wrong[at] = if wrong[at] == b'q' { b'w' } else { b'q' };
                let wrong = String::from_utf8(wrong).unwrap();
                assert!(!is_one(&wrong), "{wrong}");
            }
            assert!(!is_one(&key[..key.len() - 1]));
            assert_ne!(make(environment, &random).into_exposed(), key);
        }
        for text in [
            "",
            "tenon_sk_",
            "tenon_sk_dev_",
            "tenon_sk_ä_00000000000000000000000000000000000000",
        ] {
            assert!(!is_one(text), "{text}");
        }
    }
}
