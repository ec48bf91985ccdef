//! Where the model is kept on the visitor's device: the Cache API, in chunks, addressed by content.
//!
//! A file is stored in chunks of [`CHUNK`] bytes under addresses made of its SHA-256. Whatever arrived is
//! kept, so a stopped download goes on where it stopped; a chunk of another file is never mistaken for one
//! of this; the checksum of the whole decides at the end.

/// Name of the cache.
pub const CACHE: &str = "llamarec-models-v1";
/// Bytes of a chunk; the last one of a file may be shorter.
pub const CHUNK: u64 = 8 << 20;

/// How many chunks a file of `bytes` bytes has.
pub fn chunks(bytes: u64) -> u64 {
    bytes.div_ceil(CHUNK)
}

/// Bytes of chunk `n` (from 0) of a file of `bytes` bytes.
pub fn chunk_len(bytes: u64, n: u64) -> u64 {
    (bytes - n * CHUNK).min(CHUNK)
}

/// The address of chunk `n` under which the cache knows it; no server has it.
pub fn chunk_address(sha256: &str, n: u64) -> String {
    format!("/stored/{sha256}/{n}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_file_exactly() {
        for bytes in [1, CHUNK - 1, CHUNK, CHUNK + 1, 98_288_640] {
            let sum: u64 = (0..chunks(bytes)).map(|n| chunk_len(bytes, n)).sum();
            assert_eq!(sum, bytes);
        }
    }
}
