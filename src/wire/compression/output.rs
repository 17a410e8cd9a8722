//! Where decompressed bytes go.

use bytes::Bytes;

use super::CompressionError;

/// A buffer that never grows, nor reserves, past its limit.
pub(super) struct Output {
    bytes: Vec<u8>,
    limit: usize,
}

impl Output {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
        }
    }

    /// Bytes that may still be added.
    pub(super) fn room(&self) -> usize {
        self.limit - self.bytes.len()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn too_large(&self) -> CompressionError {
        CompressionError::TooLarge { limit: self.limit }
    }

    /// Adds `len` zeros to be written over; what was there before is returned beside them.
    pub(super) fn grow(&mut self, len: usize) -> Result<(&[u8], &mut [u8]), CompressionError> {
        if len > self.room() {
            return Err(self.too_large());
        }
        let start = self.bytes.len();
        let end = start + len;
        if end > self.bytes.capacity() {
            // Doubling, as a `Vec` would, were it not for the limit.
            let capacity = self
                .bytes
                .capacity()
                .saturating_mul(2)
                .clamp(end, self.limit);
            self.bytes.reserve_exact(capacity - start);
        }
        self.bytes.resize(end, 0);
        let (before, added) = self.bytes.split_at_mut(start);
        Ok((before, added))
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), CompressionError> {
        let (_, added) = self.grow(bytes.len())?;
        added.copy_from_slice(bytes);
        Ok(())
    }

    /// Takes back the last `len` bytes.
    pub(super) fn shrink(&mut self, len: usize) {
        self.bytes.truncate(self.bytes.len() - len);
    }
}

impl From<Output> for Bytes {
    fn from(out: Output) -> Self {
        out.bytes.into()
    }
}
