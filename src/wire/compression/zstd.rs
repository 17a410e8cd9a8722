//! Zstandard (RFC 8878), by ruzstd. Several frames one after the other are one stream.

use std::io::Read;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::{Compression, CompressionError, Output};

pub(super) fn decompress(mut data: &[u8], out: &mut Output) -> Result<(), CompressionError> {
    loop {
        // A fresh decoder reserves nothing for the window that the frame claims; a reused one does.
        let mut decoder = FrameDecoder::new();
        decoder.init(&mut data).map_err(failed)?;
        // The decoder holds back a window of up to 128 MiB, so that counting what comes out would
        // notice a bomb too late. Blocks of at most 128 KiB are counted as they are decoded.
        let enough = out.room().saturating_add(1);
        let is_whole = decoder
            .decode_blocks(&mut data, BlockDecodingStrategy::UptoBytes(enough))
            .map_err(failed)?;
        if !is_whole {
            return Err(out.too_large());
        }
        let (_, added) = out.grow(decoder.can_collect())?;
        decoder.read_exact(added).map_err(failed)?;
        if data.is_empty() {
            return Ok(());
        }
    }
}

pub(super) fn compress(data: &[u8]) -> Vec<u8> {
    // The only level that ruzstd has.
    compress_to_vec(data, CompressionLevel::Fastest)
}

fn failed(error: impl std::fmt::Display) -> CompressionError {
    CompressionError::codec(Compression::Zstd, error)
}
