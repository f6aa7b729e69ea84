//! People who may see the pages: the first one by a link that the server prints, the way in by a password.
//!
//! Passwords are hashed with Argon2id. That is slow on purpose and happens at log-in only; a session is looked up by a
//! keyed hash of its cookie.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::SaltString,
};
use tenon_core::{Secret, Timestamp};
use tenon_store::{StoreError, people::PersonRow};
use tokio::sync::Semaphore;

use crate::Engine;

/// Shortest password.
pub const PASSWORD_CHARS_AT_LEAST: usize = 12;

/// Longest password: more only costs hashing time.
const PASSWORD_CHARS_AT_MOST: usize = 256;

/// Longest e-mail address (RFC 5321).
const EMAIL_CHARS: usize = 254;

/// How long a session lasts without a visit.
pub const SESSION: Duration = Duration::from_secs(7 * 24 * 3600);

/// A session is extended when this much of it has passed, so that a visit is rarely a write.
const EXTEND_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Wrong passwords for one address before it has to wait.
const ATTEMPTS: u32 = 10;

/// How long it has to wait, and how long wrong passwords are remembered.
const ATTEMPTS_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Addresses whose attempts are remembered at a time.
const REMEMBERED: usize = 10_000;

/// Passwords hashed at a time: each takes 19 MiB and some 20 ms, and others want the machine too.
const HASHED_AT_A_TIME: usize = 2;

/// The door that people come in by: remembers wrong passwords, and lets few through at a time. One for each server.
#[derive(Debug)]
pub struct Door {
    failures: Mutex<HashMap<String, (u32, Timestamp)>>,
    hashing: Semaphore,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            failures: Mutex::default(),
            hashing: Semaphore::new(HASHED_AT_A_TIME),
        }
    }
}

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub email: String,
}

/// Why nobody was logged in or added.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("this setup link was used, or replaced by a newer one")]
    UsedLink,
    #[error("`{0}` is no e-mail address")]
    Email(String),
    #[error(
        "the password must have {PASSWORD_CHARS_AT_LEAST} to {PASSWORD_CHARS_AT_MOST} characters"
    )]
    Password,
    #[error("e-mail address or password is wrong")]
    Wrong,
    #[error("too many wrong passwords; try again in {} minutes", .0.as_secs().div_ceil(60))]
    TooMany(Duration),
    #[error("the password could not be hashed")]
    Hash,
    #[error("store failed while handling people")]
    Store(#[from] StoreError),
}

/// Makes a fresh setup link while nobody may log in; older ones stop working. The text is the token in it.
pub async fn setup_link(engine: &Engine) -> Result<Option<Secret>, StoreError> {
    if engine.reader().has_people().await? {
        return Ok(None);
    }
    let token = engine.ids.hex(32);
    let (lookup, now) = (
        engine.store.index_hash("setup_link", token.as_bytes()),
        engine.clock.now(),
    );
    engine
        .store
        .write(move |tx| async move { tx.put_setup_link(&lookup, now).await })
        .await?;
    Ok(Some(Secret::new(token)))
}

/// Whether a setup link would work now.
pub async fn is_setup_link(engine: &Engine, token: &str) -> Result<bool, StoreError> {
    let lookup = engine.store.index_hash("setup_link", token.as_bytes());
    engine.reader().has_setup_link(&lookup).await
}

/// Adds the first person and logs them in. Returns the session's token.
pub async fn set_up(
    engine: &Engine,
    door: &Door,
    token: &str,
    email: &str,
    password: Secret,
) -> Result<Secret, PeopleError> {
    let email = checked_email(email)?;
    check_password(&password)?;
    if !is_setup_link(engine, token).await? {
        return Err(PeopleError::UsedLink);
    }
    let person = PersonRow {
        pk: engine.ids.int(),
        email,
        password_hash: door.hash(engine, password).await?,
    };
    let link = engine.store.index_hash("setup_link", token.as_bytes());
    let (session, lookup) = new_session(engine);
    let now = engine.clock.now();
    engine
        .store
        .write(move |tx| async move {
            if !tx.take_setup_link(&link).await? || tx.has_people().await? {
                return Err(PeopleError::UsedLink);
            }
            tx.insert_person(&person, now).await?;
            tx.insert_person_session(&lookup, person.pk, now, now.plus(SESSION))
                .await?;
            Ok(())
        })
        .await?;
    Ok(session)
}

/// Logs somebody in. Returns the session's token.
pub async fn log_in(
    engine: &Engine,
    door: &Door,
    email: &str,
    password: Secret,
) -> Result<Secret, PeopleError> {
    let email = email.trim().to_lowercase();
    let now = engine.clock.now();
    door.check(&email, now)?;
    let person = engine.reader().find_person(&email).await?;
    // An unknown address costs the same time as a wrong password.
    let stored = person.as_ref().map_or_else(
        || Secret::new(NOBODY.to_owned()),
        |person| person.password_hash.clone(),
    );
    let right = door.verify(stored, password).await?;
    let Some(person) = person.filter(|_| right) else {
        door.note_failure(&email, now);
        return Err(PeopleError::Wrong);
    };
    door.forget_failures(&email);
    let (session, lookup) = new_session(engine);
    engine
        .store
        .write(move |tx| async move {
            tx.delete_ended_person_sessions(now).await?;
            tx.insert_person_session(&lookup, person.pk, now, now.plus(SESSION))
                .await
        })
        .await?;
    Ok(session)
}

/// Who is behind a session's token. A session that is used goes on.
pub async fn of_session(engine: &Engine, token: &str) -> Result<Option<Person>, StoreError> {
    let lookup = engine.store.index_hash("person_session", token.as_bytes());
    let now = engine.clock.now();
    let Some(session) = engine.reader().find_person_session(&lookup, now).await? else {
        return Ok(None);
    };
    let full = now.plus(SESSION);
    if full.since(session.expires_at) >= EXTEND_AFTER {
        engine
            .store
            .write(move |tx| async move { tx.extend_person_session(&lookup, full).await })
            .await?;
    }
    Ok(Some(Person {
        email: session.email,
    }))
}

/// Ends a session.
pub async fn log_out(engine: &Engine, token: &str) -> Result<(), StoreError> {
    let lookup = engine.store.index_hash("person_session", token.as_bytes());
    engine
        .store
        .write(move |tx| async move { tx.delete_person_session(&lookup).await })
        .await
}

fn new_session(engine: &Engine) -> (Secret, [u8; 32]) {
    let token = engine.ids.hex(32);
    let lookup = engine.store.index_hash("person_session", token.as_bytes());
    (Secret::new(token), lookup)
}

fn checked_email(email: &str) -> Result<String, PeopleError> {
    let email = email.trim().to_lowercase();
    let sound = email.chars().count() <= EMAIL_CHARS
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && email.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && host.contains('.') && !host.contains('@')
        });
    if sound {
        Ok(email)
    } else {
        Err(PeopleError::Email(email))
    }
}

fn check_password(password: &Secret) -> Result<(), PeopleError> {
    let count = password.expose().chars().count();
    if (PASSWORD_CHARS_AT_LEAST..=PASSWORD_CHARS_AT_MOST).contains(&count) {
        Ok(())
    } else {
        Err(PeopleError::Password)
    }
}

/// The parameters that OWASP recommends: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(19 * 1024, 2, 1, None).unwrap_or_default(),
    )
}

/// Nobody's password has this hash.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Door {
    async fn hash(&self, engine: &Engine, password: Secret) -> Result<Secret, PeopleError> {
        let mut salt = [0_u8; 16];
        engine.random.fill(&mut salt);
        let salt = SaltString::encode_b64(&salt).map_err(|_| PeopleError::Hash)?;
        let work = move || {
            argon2()
                .hash_password(password.expose().as_bytes(), &salt)
                .map(|hash| Secret::new(hash.to_string()))
        };
        self.slowly(work).await?.map_err(|_| PeopleError::Hash)
    }

    async fn verify(&self, stored: Secret, password: Secret) -> Result<bool, PeopleError> {
        if password.expose().chars().count() > PASSWORD_CHARS_AT_MOST {
            return Ok(false);
        }
        let work = move || {
            PasswordHash::new(stored.expose()).is_ok_and(|hash| {
                argon2()
                    .verify_password(password.expose().as_bytes(), &hash)
                    .is_ok()
            })
        };
        self.slowly(work).await
    }

    /// Computes off the I/O threads.
    async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PeopleError> {
        let _place = self
            .hashing
            .acquire()
            .await
            .map_err(|_| PeopleError::Hash)?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| PeopleError::Hash)
    }

    fn check(&self, email: &str, now: Timestamp) -> Result<(), PeopleError> {
        match self.lock().get(email) {
            Some((count, since)) if *count >= ATTEMPTS && now.since(*since) < ATTEMPTS_WITHIN => {
                Err(PeopleError::TooMany(ATTEMPTS_WITHIN - now.since(*since)))
            }
            _ => Ok(()),
        }
    }

    fn note_failure(&self, email: &str, now: Timestamp) {
        let mut failures = self.lock();
        if failures.len() >= REMEMBERED {
            failures.retain(|_, (_, since)| now.since(*since) < ATTEMPTS_WITHIN);
        }
        if failures.len() >= REMEMBERED && !failures.contains_key(email) {
            return;
        }
        let entry = failures.entry(email.to_owned()).or_insert((0, now));
        if now.since(entry.1) >= ATTEMPTS_WITHIN {
            *entry = (0, now);
        }
        entry.0 += 1;
    }

    fn forget_failures(&self, email: &str) {
        self.lock().remove(email);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (u32, Timestamp)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
