//! Calls to the operating system, with portable fallbacks. Everything of this kind in the workspace stands here.

/// Asks for huge pages behind a large block; a hint, ignored where the system has none.
///
/// # Safety
/// `ptr` is valid for `len` bytes.
pub unsafe fn advise_huge_pages(ptr: *mut u8, len: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller owns the block; the advice changes no contents.
    unsafe {
        libc::madvise(ptr.cast(), len, libc::MADV_HUGEPAGE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (ptr, len);
}

/// Registers handlers around `fork`: before it in the parent, after it in the parent, after it in the child.
/// Does nothing where processes do not fork.
pub fn at_fork(prepare: extern "C" fn(), parent: extern "C" fn(), child: extern "C" fn()) {
    #[cfg(unix)]
    // SAFETY: plain function pointers that live as long as the library.
    let status = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    #[cfg(unix)]
    assert_eq!(status, 0, "pthread_atfork: no memory for the handlers");
    #[cfg(not(unix))]
    let _ = (prepare, parent, child);
}

/// Bytes of physical memory of the machine, where the system tells.
pub fn physical_memory() -> Option<usize> {
    #[cfg(unix)]
    {
        // SAFETY: two queries without side effects.
        let (pages, size) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
        usize::try_from(pages).ok()?.checked_mul(usize::try_from(size).ok()?)
    }
    #[cfg(not(unix))]
    None
}
