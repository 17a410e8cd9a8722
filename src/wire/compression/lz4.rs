//! LZ4 frames (LZ4 Frame Format 1.6.x), their blocks by lz4_flex.
//!
//! The frame is read here rather than by lz4_flex: its reader takes data that is cut off for a
//! whole frame, reserves what the header claims (16 MB for an empty frame), and copies each block
//! twice.

use std::io::Write;

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::{Compression, CompressionError, Output};

const MAGIC: u32 = 0x184D_2204;
/// How far back a block may refer where blocks are linked.
const WINDOW_BYTES: usize = 64 * 1024;
/// The most that one compressed byte can stand for.
const MAX_RATIO: usize = 255;
/// The bit of a block's length that says it is not compressed.
const UNCOMPRESSED: u32 = 1 << 31;

pub(super) fn decompress(data: &[u8], out: &mut Output) -> Result<(), CompressionError> {
    let mut reader = Reader { rest: data };
    loop {
        let frame = reader.frame()?;
        while let Some(block) = reader.block(&frame)? {
            match block {
                Block::Stored(bytes) => out.append(bytes)?,
                Block::Compressed(bytes) => decompress_block(&frame, bytes, out)?,
            }
        }
        if reader.rest.is_empty() {
            return Ok(());
        }
    }
}

fn decompress_block(frame: &Frame, block: &[u8], out: &mut Output) -> Result<(), CompressionError> {
    let most = frame
        .max_block_bytes
        .min(block.len().saturating_mul(MAX_RATIO));
    let room = most.min(out.room());
    let (before, added) = out.grow(room)?;
    let written = if frame.linked {
        let window = &before[before.len().saturating_sub(WINDOW_BYTES)..];
        decompress_into_with_dict(block, added, window)
    } else {
        decompress_into(block, added)
    };
    match written {
        Ok(written) => out.shrink(room - written),
        // Not the block's fault where the limit left it too little room.
        Err(_) if room < most => return Err(out.too_large()),
        Err(error) => return Err(failed(error)),
    }
    Ok(())
}

/// What a frame's header says about its blocks.
struct Frame {
    max_block_bytes: usize,
    /// Blocks refer to those before them.
    linked: bool,
    block_checksums: bool,
    content_checksum: bool,
}

enum Block<'a> {
    Stored(&'a [u8]),
    Compressed(&'a [u8]),
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn frame(&mut self) -> Result<Frame, CompressionError> {
        if self.number()? != MAGIC {
            return Err(failed("the frame's magic number is wrong"));
        }
        let [flags, sizes] = *self.take(2)? else {
            return Err(cut());
        };
        let has = |bit: u8| flags & (1 << bit) != 0;
        if flags >> 6 != 1 || has(1) || has(0) {
            return Err(failed(
                "the frame has a version or a dictionary that is not supported",
            ));
        }
        let max_block_bytes = match sizes >> 4 {
            size @ 4..=7 => 1 << (8 + 2 * size),
            _ => return Err(failed("the frame's block size is wrong")),
        };
        let content_size_bytes = if has(3) { 8 } else { 0 };
        let header_checksum_bytes = 1;
        self.take(content_size_bytes + header_checksum_bytes)?;
        Ok(Frame {
            max_block_bytes,
            linked: !has(5),
            block_checksums: has(4),
            content_checksum: has(2),
        })
    }

    /// The next block; `None` after the frame's last.
    fn block(&mut self, frame: &Frame) -> Result<Option<Block<'a>>, CompressionError> {
        let len = self.number()?;
        if len == 0 {
            self.skip_checksum(frame.content_checksum)?;
            return Ok(None);
        }
        let bytes = (len & !UNCOMPRESSED) as usize;
        if bytes > frame.max_block_bytes {
            return Err(failed("a block is larger than the frame allows"));
        }
        let block = self.take(bytes)?;
        self.skip_checksum(frame.block_checksums)?;
        if len & UNCOMPRESSED == 0 {
            Ok(Some(Block::Compressed(block)))
        } else {
            Ok(Some(Block::Stored(block)))
        }
    }

    fn skip_checksum(&mut self, present: bool) -> Result<(), CompressionError> {
        if present {
            self.number()?;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<u32, CompressionError> {
        let (number, rest) = self.rest.split_first_chunk().ok_or_else(cut)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*number))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], CompressionError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(cut)?;
        self.rest = rest;
        Ok(taken)
    }
}

pub(super) fn compress(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    // Java reads independent blocks only.
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(data).map_err(failed)?;
    encoder.finish().map_err(failed)
}

fn cut() -> CompressionError {
    failed("the data is cut off")
}

fn failed(error: impl std::fmt::Display) -> CompressionError {
    CompressionError::codec(Compression::Lz4, error)
}
