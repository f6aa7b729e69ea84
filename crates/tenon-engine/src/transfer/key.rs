//! Keys of the operator's choice: an X25519 pair whose public half seals, or a passphrase.

use aws_lc_rs::{
    agreement::{PrivateKey, UnparsedPublicKey, X25519, agree},
    hkdf,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
use tenon_core::{Secret, SharedRandom};

const RECIPIENT: &str = "tenon-recipient-";
const IDENTITY: &str = "tenon-identity-";

/// Cost of a passphrase: Argon2id with 64 MiB and three passes, as RFC 9106 recommends where memory is limited.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;

/// Most memory that a file may ask for when it is opened.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;

/// Why a key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("a recipient looks like `{RECIPIENT}…`, 43 characters behind the dash")]
    Recipient,
    #[error("an identity looks like `{IDENTITY}…`, 43 characters behind the dash")]
    Identity,
    #[error("the file is sealed to `{0}`, and this identity is another one")]
    OtherRecipient(String),
    #[error("the file is sealed with a passphrase, and an identity was given")]
    WantsPassphrase,
    #[error("the file is sealed to `{0}`, and a passphrase was given")]
    WantsIdentity(String),
    #[error("a passphrase must not be empty")]
    EmptyPassphrase,
    #[error("the file asks for {0} KiB of memory to open it, which is more than is allowed")]
    Greedy(u32),
    #[error("the key could not be derived")]
    Derivation,
}

/// The public half: may be known to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl Recipient {
    /// Reads `tenon-recipient-…`.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        bytes(text, RECIPIENT).map(Self).ok_or(KeyError::Recipient)
    }

    /// `tenon-recipient-…`
    pub fn to_text(self) -> String {
        format!("{RECIPIENT}{}", BASE64.encode(self.0))
    }
}

/// The private half: opens.
#[derive(Clone)]
pub struct Identity(Secret<[u8; 32]>);

impl Identity {
    /// A new pair.
    pub fn generate(random: &SharedRandom) -> Self {
        let mut seed = Secret::new([0; 32]);
        random.fill(seed.expose_mut());
        Self(seed)
    }

    /// Reads `tenon-identity-…`; lines that begin with `#` do not count.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        line.and_then(|line| bytes(line, IDENTITY))
            .map(|seed| Self(Secret::new(seed)))
            .ok_or(KeyError::Identity)
    }

    /// `tenon-identity-…`
    pub fn to_text(&self) -> Secret {
        Secret::new(format!("{IDENTITY}{}", BASE64.encode(self.0.expose())))
    }

    /// Its public half.
    pub fn recipient(&self) -> Result<Recipient, KeyError> {
        let public = self.private()?.compute_public_key();
        let public = public.map_err(|_| KeyError::Derivation)?;
        <[u8; 32]>::try_from(public.as_ref())
            .map(Recipient)
            .map_err(|_| KeyError::Derivation)
    }

    fn private(&self) -> Result<PrivateKey, KeyError> {
        PrivateKey::from_private_key(&X25519, self.0.expose()).map_err(|_| KeyError::Derivation)
    }

    /// The secret that both halves of two pairs come to.
    fn agree(&self, other: &Recipient) -> Result<Secret<[u8; 32]>, KeyError> {
        let other = UnparsedPublicKey::new(&X25519, other.0);
        agree(&self.private()?, other, KeyError::Derivation, |shared| {
            let shared = <[u8; 32]>::try_from(shared).map_err(|_| KeyError::Derivation)?;
            Ok(Secret::new(shared))
        })
    }
}

fn bytes(text: &str, prefix: &str) -> Option<[u8; 32]> {
    let bytes = BASE64.decode(text.trim().strip_prefix(prefix)?).ok()?;
    bytes.try_into().ok()
}

/// What seals a file.
#[derive(Clone)]
pub enum Sealing {
    Recipient(Recipient),
    Passphrase(Secret),
}

/// What opens a file.
#[derive(Clone)]
pub enum Opening {
    Identity(Identity),
    Passphrase(Secret),
}

/// How a file was sealed, as its head says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Lock {
    X25519 {
        /// `tenon-recipient-…`
        recipient: String,
        /// Public half of the pair made for this file, base64.
        ephemeral: String,
    },
    Passphrase {
        salt: String,
        memory_kib: u32,
        passes: u32,
    },
}

impl Sealing {
    /// A lock for a new file, and the secret behind it.
    pub(super) fn lock(&self, random: &SharedRandom) -> Result<(Lock, Secret<[u8; 32]>), KeyError> {
        match self {
            Self::Recipient(recipient) => {
                let own = Identity::generate(random);
                let lock = Lock::X25519 {
                    recipient: recipient.to_text(),
                    ephemeral: own.recipient()?.to_text(),
                };
                Ok((lock, own.agree(recipient)?))
            }
            Self::Passphrase(passphrase) => {
                let mut salt = [0; 16];
                random.fill(&mut salt);
                let lock = Lock::Passphrase {
                    salt: BASE64.encode(salt),
                    memory_kib: MEMORY_KIB,
                    passes: PASSES,
                };
                let secret = stretched(passphrase, &salt, MEMORY_KIB, PASSES)?;
                Ok((lock, secret))
            }
        }
    }
}

impl Opening {
    /// The secret behind a lock.
    pub(super) fn unlock(&self, lock: &Lock) -> Result<Secret<[u8; 32]>, KeyError> {
        match (self, lock) {
            (
                Self::Identity(identity),
                Lock::X25519 {
                    recipient,
                    ephemeral,
                },
            ) => {
                if identity.recipient()?.to_text() != *recipient {
                    return Err(KeyError::OtherRecipient(recipient.clone()));
                }
                identity.agree(&Recipient::parse(ephemeral)?)
            }
            (
                Self::Passphrase(passphrase),
                Lock::Passphrase {
                    salt,
                    memory_kib,
                    passes,
                },
            ) => {
                if *memory_kib > MAX_MEMORY_KIB || *passes > 100 {
                    return Err(KeyError::Greedy(*memory_kib));
                }
                let salt = BASE64.decode(salt).map_err(|_| KeyError::Derivation)?;
                stretched(passphrase, &salt, *memory_kib, *passes)
            }
            (Self::Identity(_), Lock::Passphrase { .. }) => Err(KeyError::WantsPassphrase),
            (Self::Passphrase(_), Lock::X25519 { recipient, .. }) => {
                Err(KeyError::WantsIdentity(recipient.clone()))
            }
        }
    }
}

fn stretched(
    passphrase: &Secret,
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
) -> Result<Secret<[u8; 32]>, KeyError> {
    if passphrase.expose().is_empty() {
        return Err(KeyError::EmptyPassphrase);
    }
    let params = argon2::Params::new(memory_kib, passes, 1, Some(32));
    let params = params.map_err(|_| KeyError::Derivation)?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut secret = Secret::new([0; 32]);
    argon2
        .hash_password_into(passphrase.expose().as_bytes(), salt, secret.expose_mut())
        .map_err(|_| KeyError::Derivation)?;
    Ok(secret)
}

/// The key of a file: from the secret behind its lock, bound to its head.
pub(super) fn file_key(secret: &Secret<[u8; 32]>, head: &[u8]) -> aws_lc_rs::aead::LessSafeKey {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenon export");
    let info = [head];
    let key = salt.extract(secret.expose());
    let key = key
        .expand(&info, &aws_lc_rs::aead::AES_256_GCM)
        .expect("32 bytes are within what HKDF can expand to");
    aws_lc_rs::aead::LessSafeKey::new(aws_lc_rs::aead::UnboundKey::from(key))
}
