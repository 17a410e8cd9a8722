//! Snappy, by snap, in the framing of Java's snappy library.
//!
//! Java writes a header and then blocks, each with its length before it. Other clients have
//! written one raw block without a header, so both are read.

use super::{Compression, CompressionError, Output};

const MAGIC: &[u8] = b"\x82SNAPPY\0";
/// The magic, the version and the oldest version that can read it, both 1.
const HEADER: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// As Java's clients use by default.
const BLOCK_BYTES: usize = 32 * 1024;

pub(super) fn decompress(data: &[u8], out: &mut Output) -> Result<(), CompressionError> {
    if !data.starts_with(MAGIC) {
        return decompress_block(data, out);
    }
    // The versions say nothing that changes how blocks are read.
    let mut rest = data.get(HEADER.len()..).ok_or_else(cut)?;
    while !rest.is_empty() {
        let (len, after) = rest.split_first_chunk().ok_or_else(cut)?;
        let len = usize::try_from(i32::from_be_bytes(*len)).map_err(failed)?;
        let (block, after) = after.split_at_checked(len).ok_or_else(cut)?;
        decompress_block(block, out)?;
        rest = after;
    }
    Ok(())
}

fn decompress_block(block: &[u8], out: &mut Output) -> Result<(), CompressionError> {
    let len = snap::raw::decompress_len(block).map_err(failed)?;
    let (_, added) = out.grow(len)?;
    snap::raw::Decoder::new()
        .decompress(block, added)
        .map_err(failed)?;
    Ok(())
}

pub(super) fn compress(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let mut encoder = snap::raw::Encoder::new();
    let mut out = HEADER.to_vec();
    for block in data.chunks(BLOCK_BYTES) {
        let compressed = encoder.compress_vec(block).map_err(failed)?;
        let len = u32::try_from(compressed.len()).map_err(failed)?;
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&compressed);
    }
    Ok(out)
}

fn cut() -> CompressionError {
    failed("the data is cut off")
}

fn failed(error: impl std::fmt::Display) -> CompressionError {
    CompressionError::codec(Compression::Snappy, error)
}
