//! Freed memory stays with the process. Models make and drop blocks of megabytes all the time; handing each back to the
//! system and getting it anew, page by page, took a fifth of a forward pass.
#![allow(unsafe_code, reason = "the allocator's settings are reached through C only")]

/// Bytes of memory that this machine has, where the system tells.
pub fn total() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Sets the allocator so; called once, at the start. Elsewhere than on Linux with glibc this does nothing.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` only sets numbers of the allocator; a number that it does not like is ignored.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        // The largest that glibc takes: blocks above it are mapped one by one.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
    }
}
