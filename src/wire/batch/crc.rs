//! The checksum of a batch, CRC-32C, of two parts that do not lie together.
//!
//! The crate that computes it does that for one piece; what it has for more knows every CRC there is, and
//! brings tables of 0.65 MB along.

/// The polynomial, reflected: x⁰ is the highest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;
const ONE: u32 = 1 << 31;
/// A byte further.
const X_8: u32 = ONE >> 8;

/// The checksum of `first` and `second`, one after the other. It goes through each once; the rest
/// depends on how many digits the length of `second` has.
pub(super) fn of_both(first: &[u8], second: &[u8]) -> u32 {
    let [before, after] = [first, second].map(crc_fast::crc32_iscsi);
    times(x_8_to(second.len()), before) ^ after
}

fn x_8_to(mut exponent: usize) -> u32 {
    let (mut product, mut square) = (ONE, X_8);
    while exponent > 0 {
        if exponent & 1 == 1 {
            product = times(product, square);
        }
        square = times(square, square);
        exponent >>= 1;
    }
    product
}

/// The product of two polynomials, modulo the one.
fn times(one: u32, mut other: u32) -> u32 {
    let mut product = 0;
    for bit in (0..u32::BITS).rev() {
        if one >> bit & 1 == 1 {
            product ^= other;
        }
        let carried = other & 1 == 1;
        other >>= 1;
        if carried {
            other ^= POLYNOMIAL;
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn two_parts_have_the_checksum_of_the_whole(
            first in vec(any::<u8>(), 0..80),
            second in vec(any::<u8>(), 0..3000),
        ) {
            let whole = [&*first, &second].concat();
            prop_assert_eq!(of_both(&first, &second), crc_fast::crc32_iscsi(&whole));
        }
    }
}
