//! What a batch does to one record (records.md, section 2).

use tenon_core::Timestamp;
use tenon_store::records::{RecordHash, Stored};

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) counted: Counted,
    /// Times of the row to write; nothing stays as it is.
    pub(super) write: Option<Times>,
}

/// As what a record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Added,
    Updated,
    Deleted,
    Unchanged,
    /// A change that nobody is told about.
    Silent,
}

/// Times of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) deleted_at: Option<Timestamp>,
}

impl Decision {
    /// Leaves the row alone.
    pub(super) const UNCHANGED: Self = Self {
        counted: Counted::Unchanged,
        write: None,
    };

    const fn new(counted: Counted, created_at: Timestamp, updated_at: Timestamp) -> Self {
        Self {
            counted,
            write: Some(Times {
                created_at,
                updated_at,
                deleted_at: None,
            }),
        }
    }

    const fn deleted(self, deleted_at: Timestamp) -> Self {
        let write = match self.write {
            Some(times) => Some(Times {
                deleted_at: Some(deleted_at),
                ..times
            }),
            None => None,
        };
        Self { write, ..self }
    }
}

/// `batchSave` (records.md, 2.1).
pub(super) fn save(stored: Option<&Stored>, hash: &RecordHash, at: Timestamp) -> Decision {
    let Some(stored) = stored else {
        return Decision::new(Counted::Added, at, at);
    };
    if stored.deleted_at.is_some() {
        return Decision::new(Counted::Added, at, at);
    }
    if stored.hash != *hash {
        return Decision::new(Counted::Updated, stored.created_at, at);
    }
    if stored.is_pruned {
        // The payload comes back where it was; nobody has to read it again.
        return Decision::new(Counted::Unchanged, stored.created_at, stored.updated_at);
    }
    Decision::UNCHANGED
}

/// `batchUpdate` (records.md, 2.2); `None` if the record is not considered at all.
pub(super) fn update(
    stored: Option<&Stored>,
    hash: &RecordHash,
    at: Timestamp,
) -> Option<Decision> {
    let stored = stored.filter(|stored| stored.deleted_at.is_none())?;
    (stored.hash != *hash).then(|| Decision::new(Counted::Updated, stored.created_at, at))
}

/// `batchDelete` (records.md, 2.3). `given` is the instant that the record itself names.
pub(super) fn delete(
    stored: Option<&Stored>,
    hash: &RecordHash,
    given: Option<Timestamp>,
    at: Timestamp,
) -> Decision {
    let deleted_at = given.unwrap_or(at);
    let Some(stored) = stored else {
        return Decision::new(Counted::Silent, at, at).deleted(deleted_at);
    };
    match stored.deleted_at {
        None => Decision::new(Counted::Deleted, stored.created_at, at).deleted(deleted_at),
        Some(before) if before == deleted_at && stored.hash == *hash => Decision::UNCHANGED,
        Some(_) => Decision::new(Counted::Silent, stored.created_at, at).deleted(deleted_at),
    }
}

#[cfg(test)]
mod tests {
    use tenon_core::Timestamp;
    use tenon_store::records::Stored;

    use super::{Counted, Decision, Times, delete, save, update};

    const OLD: Timestamp = Timestamp::from_micros(100);
    const CHANGED: Timestamp = Timestamp::from_micros(200);
    const GONE: Timestamp = Timestamp::from_micros(300);
    const NOW: Timestamp = Timestamp::from_micros(900);

    fn live() -> Stored {
        Stored {
            hash: [1; 16],
            size_bytes: 10,
            created_at: OLD,
            updated_at: CHANGED,
            deleted_at: None,
            is_pruned: false,
        }
    }

    fn deleted() -> Stored {
        Stored {
            deleted_at: Some(GONE),
            ..live()
        }
    }

    fn pruned() -> Stored {
        Stored {
            is_pruned: true,
            ..live()
        }
    }

    fn write(
        counted: Counted,
        created_at: Timestamp,
        updated_at: Timestamp,
        deleted_at: Option<Timestamp>,
    ) -> Decision {
        Decision {
            counted,
            write: Some(Times {
                created_at,
                updated_at,
                deleted_at,
            }),
        }
    }

    #[test]
    fn saving() {
        let (same, other) = ([1; 16], [2; 16]);
        let added = write(Counted::Added, NOW, NOW, None);
        let updated = write(Counted::Updated, OLD, NOW, None);
        let restored = write(Counted::Unchanged, OLD, CHANGED, None);
        let cases = [
            (None, same, added),
            (Some(live()), same, Decision::UNCHANGED),
            (Some(live()), other, updated),
            (Some(deleted()), same, added),
            (Some(deleted()), other, added),
            (Some(pruned()), same, restored),
            (Some(pruned()), other, updated),
        ];
        for (stored, hash, expected) in cases {
            assert_eq!(save(stored.as_ref(), &hash, NOW), expected, "{stored:?}");
        }
    }

    #[test]
    fn updating() {
        let (same, other) = ([1; 16], [2; 16]);
        let updated = write(Counted::Updated, OLD, NOW, None);
        let cases = [
            (None, other, None),
            (Some(deleted()), other, None),
            (Some(live()), same, None),
            (Some(live()), other, Some(updated)),
            (Some(pruned()), other, Some(updated)),
        ];
        for (stored, hash, expected) in cases {
            assert_eq!(update(stored.as_ref(), &hash, NOW), expected, "{stored:?}");
        }
    }

    #[test]
    fn deleting() {
        let (same, other) = ([1; 16], [2; 16]);
        let silent = write(Counted::Silent, OLD, NOW, Some(NOW));
        let given = Some(GONE);
        let cases = [
            (
                None,
                other,
                None,
                write(Counted::Silent, NOW, NOW, Some(NOW)),
            ),
            (
                Some(live()),
                other,
                None,
                write(Counted::Deleted, OLD, NOW, Some(NOW)),
            ),
            (
                Some(live()),
                same,
                given,
                write(Counted::Deleted, OLD, NOW, given),
            ),
            (Some(deleted()), same, None, silent),
            (Some(deleted()), same, given, Decision::UNCHANGED),
            (
                Some(deleted()),
                other,
                given,
                write(Counted::Silent, OLD, NOW, given),
            ),
        ];
        for (stored, hash, given, expected) in cases {
            let decision = delete(stored.as_ref(), &hash, given, NOW);
            assert_eq!(decision, expected, "{stored:?}");
        }
    }
}
