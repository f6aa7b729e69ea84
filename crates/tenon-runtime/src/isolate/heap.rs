//! The memory of one isolate: counted, limited, and honest about having been refused.

use std::{
    cell::Cell,
    ffi::c_void,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use rquickjs::allocator::Allocator;
use tenon_core::limits::ISOLATE_HEAP_SHARE_BYTES;

/// Isolates take memory of the common store in pieces of this size, so that they seldom meet there.
const PIECE_BYTES: usize = 1024 * 1024;

/// What the isolates of a worker may have together, beyond the share that each of them has of right.
#[derive(Debug)]
pub(crate) struct Commons {
    free: AtomicUsize,
    /// Below this, the worker is full enough.
    low: usize,
    strained: AtomicBool,
}

impl Commons {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            free: AtomicUsize::new(bytes),
            low: bytes / 4,
            strained: AtomicBool::new(false),
        })
    }

    /// Whether so much was ever taken that further runs are better off elsewhere.
    pub(crate) fn is_strained(&self) -> bool {
        self.strained.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let taken = self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                free.checked_sub(bytes)
            });
        if taken.map_or(0, |free| free - bytes) < self.low {
            self.strained.store(true, Ordering::Relaxed);
        }
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.free.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Why an isolate was refused memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has as much as one run may have.
    Own,
    /// All isolates of its worker have as much as they may have together.
    Common,
}

impl Refusal {
    /// What the run's failure says.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Own => "the function used more memory than it may",
            Self::Common => {
                "the functions that run in this worker used more memory together than they may"
            }
        }
    }
}

/// What an isolate holds and may hold. The engine's own limit does not say afterwards that it was hit.
#[derive(Debug)]
pub(super) struct Heap {
    used: Cell<usize>,
    limit: Cell<usize>,
    /// What it has of right.
    share: Cell<usize>,
    /// What it took of the commons besides.
    taken: Cell<usize>,
    commons: Arc<Commons>,
    refused: Cell<Option<Refusal>>,
    relaxed: Cell<bool>,
}

impl Heap {
    pub(super) fn new(limit: usize, commons: &Arc<Commons>) -> Rc<Self> {
        Rc::new(Self {
            used: Cell::new(0),
            limit: Cell::new(limit),
            share: Cell::new(ISOLATE_HEAP_SHARE_BYTES),
            taken: Cell::new(0),
            commons: Arc::clone(commons),
            refused: Cell::new(None),
            relaxed: Cell::new(false),
        })
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.set(limit);
    }

    /// Lets the isolate have this much more, the first time it is asked for, whatever the others have.
    pub(super) fn relax_once(&self, more: usize) {
        if self.relaxed.replace(true) {
            return;
        }
        self.limit
            .set(self.limit.get().max(self.used.get()).saturating_add(more));
        self.share.set(self.share.get().saturating_add(more));
    }

    /// Why the isolate was refused memory, if it ever was.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refused.get()
    }

    /// Gives back what was taken of the commons and is not used: a run that waits may wait for long.
    pub(super) fn settle(&self) {
        let needed = self
            .used
            .get()
            .saturating_sub(self.share.get())
            .next_multiple_of(PIECE_BYTES);
        if needed < self.taken.get() {
            self.commons.give_back(self.taken.replace(needed) - needed);
        }
    }

    fn may_grow(&self, by: usize) -> bool {
        let wanted = self.used.get().saturating_add(by);
        if wanted > self.limit.get() {
            self.refused.set(Some(Refusal::Own));
            return false;
        }
        let granted = self.share.get() + self.taken.get();
        if wanted <= granted {
            return true;
        }
        let more = (wanted - granted).next_multiple_of(PIECE_BYTES);
        if !self.commons.take(more) {
            self.refused.set(Some(Refusal::Common));
            return false;
        }
        self.taken.set(self.taken.get() + more);
        true
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        self.commons.give_back(self.taken.get());
    }
}

/// The allocator that the engine is given.
pub(super) struct Counted(pub(super) Rc<Heap>);

impl Counted {
    fn handed(&self, pointer: *mut c_void) -> *mut u8 {
        if pointer.is_null() {
            self.0.refused.set(Some(Refusal::Common));
        }
        self.0.used.set(self.0.used.get() + size_of_block(pointer));
        pointer.cast()
    }
}

// SAFETY: every call is passed to the C library's allocator, whose promises are at least those of the trait; what is
// refused is answered with null.
unsafe impl Allocator for Counted {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        if !self.0.may_grow(size) {
            return std::ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        self.handed(unsafe { libc::malloc(size) })
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        if !self.0.may_grow(count.saturating_mul(size)) {
            return std::ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        self.handed(unsafe { libc::calloc(count, size) })
    }

    unsafe fn dealloc(&mut self, pointer: *mut u8) {
        let size = size_of_block(pointer.cast());
        self.0.used.set(self.0.used.get().saturating_sub(size));
        // SAFETY: the pointer came from this allocator.
        unsafe { libc::free(pointer.cast()) };
    }

    unsafe fn realloc(&mut self, pointer: *mut u8, new_size: usize) -> *mut u8 {
        let old_size = size_of_block(pointer.cast());
        if new_size > old_size && !self.0.may_grow(new_size - old_size) {
            return std::ptr::null_mut();
        }
        // SAFETY: the pointer came from this allocator, or is null.
        let moved = unsafe { libc::realloc(pointer.cast(), new_size) };
        if moved.is_null() && new_size > 0 {
            self.0.refused.set(Some(Refusal::Common));
            return std::ptr::null_mut();
        }
        self.0.used.set(self.0.used.get().saturating_sub(old_size));
        self.handed(moved)
    }

    unsafe fn usable_size(pointer: *mut u8) -> usize {
        size_of_block(pointer.cast())
    }
}

fn size_of_block(pointer: *mut c_void) -> usize {
    if pointer.is_null() {
        return 0;
    }
    // SAFETY: the pointer came from the C library's allocator.
    unsafe {
        #[cfg(target_vendor = "apple")]
        return libc::malloc_size(pointer);
        #[cfg(not(target_vendor = "apple"))]
        libc::malloc_usable_size(pointer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1024 * 1024;

    #[test]
    fn a_share_is_free_and_more_comes_from_the_commons() {
        let commons = Commons::new(8 * MEGABYTE);
        let (large, small) = (
            Heap::new(64 * MEGABYTE, &commons),
            Heap::new(64 * MEGABYTE, &commons),
        );
        assert!(large.may_grow(12 * MEGABYTE));
        assert!(small.may_grow(4 * MEGABYTE), "its share is its own");
        assert!(!small.may_grow(5 * MEGABYTE));
        assert_eq!(small.refusal(), Some(Refusal::Common));
        assert!(commons.is_strained());
        assert!(!large.may_grow(65 * MEGABYTE));
        assert_eq!(large.refusal(), Some(Refusal::Own));
        drop(large);
        assert!(small.may_grow(12 * MEGABYTE));
    }

    #[test]
    fn what_is_not_used_any_more_goes_back_while_the_run_waits() {
        let commons = Commons::new(8 * MEGABYTE);
        let heap = Heap::new(64 * MEGABYTE, &commons);
        assert!(heap.may_grow(10 * MEGABYTE));
        assert_eq!(commons.free.load(Ordering::Relaxed), 2 * MEGABYTE);
        heap.used.set(5 * MEGABYTE - 1);
        heap.settle();
        assert_eq!(commons.free.load(Ordering::Relaxed), 7 * MEGABYTE);
        heap.used.set(0);
        heap.settle();
        assert_eq!(commons.free.load(Ordering::Relaxed), 8 * MEGABYTE);
    }
}
