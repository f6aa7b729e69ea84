//! People who may see the pages, their sessions, and the link that makes the first of them.

use tenon_core::{Secret, Timestamp};

use crate::{Reader, Row, StoreError, Tx, params};

crate::statements! {
    PERSON_INSERT = "INSERT INTO person (pk, email, password_hash, created_at_us) VALUES ($1, $2, $3, $4)";
    PERSON_BY_EMAIL = "SELECT pk, email, password_hash FROM person WHERE email = $1";
    PERSON_ANY = "SELECT pk FROM person LIMIT 1";

    PERSON_SESSION_INSERT = "
        INSERT INTO person_session (lookup, person_pk, created_at_us, expires_at_us) VALUES ($1, $2, $3, $4)";
    PERSON_SESSION_FIND = "
        SELECT p.pk, p.email, s.expires_at_us
        FROM person_session s JOIN person p ON p.pk = s.person_pk
        WHERE s.lookup = $1 AND s.expires_at_us > $2";
    PERSON_SESSION_EXTEND = "UPDATE person_session SET expires_at_us = $2 WHERE lookup = $1";
    PERSON_SESSION_DELETE = "DELETE FROM person_session WHERE lookup = $1";
    PERSON_SESSION_DELETE_OLD = "DELETE FROM person_session WHERE expires_at_us <= $1";

    SETUP_LINK_PUT = "
        INSERT INTO setup_link (pk, lookup, created_at_us) VALUES (1, $1, $2)
        ON CONFLICT (pk) DO UPDATE SET lookup = $1, created_at_us = $2";
    /// Of two visitors with the same link only one gets it.
    SETUP_LINK_TAKE = "DELETE FROM setup_link WHERE lookup = $1 RETURNING pk";
    SETUP_LINK_FIND = "SELECT pk FROM setup_link WHERE lookup = $1";
}

/// Somebody who may log in.
#[derive(Clone, Debug)]
pub struct PersonRow {
    pub pk: i64,
    pub email: String,
    pub password_hash: Secret,
}

/// Who is behind a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    pub person_pk: i64,
    pub email: String,
    pub expires_at: Timestamp,
}

impl Reader {
    /// Somebody by address, which is lower-case.
    pub async fn find_person(&self, email: &str) -> Result<Option<PersonRow>, StoreError> {
        let found = self.find(&PERSON_BY_EMAIL, params![email]).await?;
        found
            .map(|row| {
                Ok(PersonRow {
                    pk: row.get(0)?,
                    email: row.get(1)?,
                    password_hash: Secret::new(row.get(2)?),
                })
            })
            .transpose()
    }

    /// Whether anybody may log in.
    pub async fn has_people(&self) -> Result<bool, StoreError> {
        Ok(self.find(&PERSON_ANY, &[]).await?.is_some())
    }

    /// Who is behind a session that has not ended.
    pub async fn find_person_session(
        &self,
        lookup: &[u8],
        now: Timestamp,
    ) -> Result<Option<SessionRow>, StoreError> {
        let found = self
            .find(&PERSON_SESSION_FIND, params![lookup.to_vec(), now])
            .await?;
        found.map(|row| session(&row)).transpose()
    }

    /// Whether a setup link still works.
    pub async fn has_setup_link(&self, lookup: &[u8]) -> Result<bool, StoreError> {
        let found = self
            .find(&SETUP_LINK_FIND, params![lookup.to_vec()])
            .await?;
        Ok(found.is_some())
    }
}

impl Tx {
    /// Whether anybody may log in.
    pub async fn has_people(&self) -> Result<bool, StoreError> {
        Ok(self.find(&PERSON_ANY, &[]).await?.is_some())
    }

    /// Adds somebody.
    pub async fn insert_person(
        &self,
        person: &PersonRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let hash = person.password_hash.expose().clone();
        let values = params![person.pk, person.email.as_str(), hash, now];
        self.execute(&PERSON_INSERT, values).await.map(|_| ())
    }

    /// Begins a session.
    pub async fn insert_person_session(
        &self,
        lookup: &[u8],
        person: i64,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let values = params![lookup.to_vec(), person, now, expires_at];
        self.execute(&PERSON_SESSION_INSERT, values)
            .await
            .map(|_| ())
    }

    /// Lets a session go on.
    pub async fn extend_person_session(
        &self,
        lookup: &[u8],
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let values = params![lookup.to_vec(), expires_at];
        self.execute(&PERSON_SESSION_EXTEND, values)
            .await
            .map(|_| ())
    }

    /// Ends a session.
    pub async fn delete_person_session(&self, lookup: &[u8]) -> Result<(), StoreError> {
        self.execute(&PERSON_SESSION_DELETE, params![lookup.to_vec()])
            .await
            .map(|_| ())
    }

    /// Forgets sessions that ended.
    pub async fn delete_ended_person_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.execute(&PERSON_SESSION_DELETE_OLD, params![now]).await
    }

    /// Replaces the setup link.
    pub async fn put_setup_link(&self, lookup: &[u8], now: Timestamp) -> Result<(), StoreError> {
        self.execute(&SETUP_LINK_PUT, params![lookup.to_vec(), now])
            .await
            .map(|_| ())
    }

    /// Uses the setup link up. `false`: it was not this one, or somebody was faster.
    pub async fn take_setup_link(&self, lookup: &[u8]) -> Result<bool, StoreError> {
        let taken = self
            .find(&SETUP_LINK_TAKE, params![lookup.to_vec()])
            .await?;
        Ok(taken.is_some())
    }
}

fn session(row: &Row) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        person_pk: row.get(0)?,
        email: row.get(1)?,
        expires_at: row.get(2)?,
    })
}
