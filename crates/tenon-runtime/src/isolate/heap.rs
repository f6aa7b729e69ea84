//! The memory of one isolate: counted, limited, and honest about having been refused.

use std::{cell::Cell, ffi::c_void, rc::Rc};

use rquickjs::allocator::Allocator;

/// What an isolate holds and may hold. The engine's own limit does not say afterwards that it was hit.
#[derive(Debug)]
pub(super) struct Heap {
    used: Cell<usize>,
    limit: Cell<usize>,
    refused: Cell<bool>,
    relaxed: Cell<bool>,
}

impl Heap {
    pub(super) fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self {
            used: Cell::new(0),
            limit: Cell::new(limit),
            refused: Cell::new(false),
            relaxed: Cell::new(false),
        })
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.set(limit);
    }

    /// Lets the isolate have this much more, the first time it is asked for.
    pub(super) fn relax_once(&self, more: usize) {
        if self.relaxed.replace(true) {
            return;
        }
        self.limit
            .set(self.limit.get().max(self.used.get()).saturating_add(more));
    }

    /// Whether the isolate ever asked for more than it may have.
    pub(super) fn was_refused(&self) -> bool {
        self.refused.get()
    }

    fn may_grow(&self, by: usize) -> bool {
        let fits = self.used.get().saturating_add(by) <= self.limit.get();
        if !fits {
            self.refused.set(true);
        }
        fits
    }
}

/// The allocator that the engine is given.
pub(super) struct Counted(pub(super) Rc<Heap>);

impl Counted {
    fn taken(&self, pointer: *mut c_void) -> *mut u8 {
        if pointer.is_null() {
            self.0.refused.set(true);
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
        self.taken(unsafe { libc::malloc(size) })
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        if !self.0.may_grow(count.saturating_mul(size)) {
            return std::ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        self.taken(unsafe { libc::calloc(count, size) })
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
            self.0.refused.set(true);
            return std::ptr::null_mut();
        }
        self.0.used.set(self.0.used.get().saturating_sub(old_size));
        self.taken(moved)
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
