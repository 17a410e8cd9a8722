//! Gzip (RFC 1952), by flate2. Several members one after the other are one stream.

use std::io::{Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Compression, CompressionError, GzipLevel, Output};

const CHUNK_BYTES: usize = 16 * 1024;

pub(super) fn decompress(data: &[u8], out: &mut Output) -> Result<(), CompressionError> {
    let mut decoder = MultiGzDecoder::new(data);
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let len = decoder.read(&mut chunk).map_err(failed)?;
        if len == 0 {
            return Ok(());
        }
        out.append(&chunk[..len])?;
    }
}

pub(super) fn compress(level: GzipLevel, data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let level = flate2::Compression::new(level.0.into());
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(data).map_err(failed)?;
    encoder.finish().map_err(failed)
}

fn failed(error: std::io::Error) -> CompressionError {
    CompressionError::codec(Compression::Gzip, error)
}
