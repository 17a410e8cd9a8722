//! What waits to be written.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::wire::frame::Frame;

/// Frames in their parts, which are written together where the stream can do that.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// None is empty.
    parts: VecDeque<Bytes>,
    bytes: usize,
}

impl Output {
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        let parts = frame.into_parts().filter(|part| !part.is_empty());
        self.parts.extend(parts);
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let filled = out.iter_mut().zip(&self.parts);
        filled
            .map(|(slot, part)| *slot = IoSlice::new(part))
            .count()
    }

    fn advance(&mut self, count: usize) {
        self.bytes -= count;
        let mut left = count;
        while let Some(part) = self.parts.front_mut() {
            if left < part.len() {
                part.advance(left);
                return;
            }
            left -= part.len();
            self.parts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_pushed_comes_out_in_order_whatever_is_taken_at_a_time(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..10),
            takes in proptest::collection::vec(1_usize..70, 1..10),
        ) {
            let mut output = Output::default();
            for frame in &frames {
                output.push(BytesMut::from(&frame[..]).into());
            }
            let mut taken = Vec::new();
            for take in takes.iter().cycle() {
                let mut slices = [IoSlice::new(&[]); 3];
                let filled = output.chunks_vectored(&mut slices);
                let first = slices[..filled].first().map_or(&[][..], |slice| slice);
                prop_assert_eq!(first, output.chunk());
                let there: Vec<u8> = slices[..filled].iter().flat_map(|it| it.iter().copied()).collect();
                prop_assert_eq!(there.is_empty(), !output.has_remaining());
                let take = there.len().min(*take);
                taken.extend_from_slice(&there[..take]);
                output.advance(take);
                if !output.has_remaining() {
                    break;
                }
            }
            prop_assert_eq!(taken, frames.concat());
        }
    }
}
