//! Keeping a long-lived small process small.

/// Lets all threads allocate from one arena. To be called before the first thread is made.
pub fn limit_malloc_arenas() {
    // SAFETY: mallopt changes a setting of the allocator and takes its lock.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Gives free memory at the top of the heap and whole free pages in it back to the kernel.
pub fn trim_malloc() {
    // SAFETY: malloc_trim only touches memory that is free.
    unsafe { libc::malloc_trim(0) };
}
