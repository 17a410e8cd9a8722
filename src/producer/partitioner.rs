//! Which partition a record goes to, as Java's default partitioner has it.

use std::collections::HashMap;
use std::sync::Arc;

use fastrand::Rng;

use crate::wire::same_name;

/// Murmur2 with Kafka's seed, as Java's `Utils.murmur2`: every client must agree on it, or a
/// key's records end up in two partitions.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut last = [0; 4];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash as i32
}

/// The partition of a record with a key, among `partitions` (fewer than 1 counts as 1).
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    let positive = murmur2(key) & i32::MAX;
    positive % partitions.max(1)
}

/// Chooses partitions for records without a key: stays with one until a batch's worth of bytes
/// has gone there, then moves on to one drawn at random (KIP-480, KIP-794). So batches are full,
/// and each partition gets its share whatever the sizes of the records.
#[derive(Debug)]
pub struct StickyPartitioner {
    batch_bytes: usize,
    rng: Rng,
    topics: HashMap<Arc<str>, usize>,
    stays: Vec<Stay>,
    /// The topic of the last record: most are of the same one.
    last: Option<(Arc<str>, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Stay {
    partition: i32,
    bytes: usize,
}

impl StickyPartitioner {
    /// Moves on every `batch_bytes`; equal seeds draw equal partitions.
    pub fn new(batch_bytes: usize, seed: u64) -> Self {
        Self {
            batch_bytes,
            rng: Rng::with_seed(seed),
            topics: HashMap::new(),
            stays: Vec::new(),
            last: None,
        }
    }

    /// The partition for the next record of a topic that has `partitions` of them (fewer than 1
    /// counts as 1).
    #[inline]
    pub fn partition(&mut self, topic: &Arc<str>, partitions: i32, record_bytes: usize) -> i32 {
        let partitions = partitions.max(1);
        let place = self.place_of(topic, partitions);
        let stay = &mut self.stays[place];
        if stay.partition >= partitions {
            stay.partition = self.rng.i32(0..partitions);
            stay.bytes = 0;
        } else if stay.bytes >= self.batch_bytes {
            let step = 1 + self.rng.i32(0..(partitions - 1).max(1));
            stay.partition = (stay.partition + step) % partitions;
            stay.bytes = 0;
        }
        stay.bytes += record_bytes;
        stay.partition
    }

    /// Where the next records of a topic go, and after how many bytes those behind them don't: the one that
    /// makes them full still does. `None` where the next one moves on.
    pub fn stay(&mut self, topic: &Arc<str>, partitions: i32) -> Option<(i32, usize)> {
        let partitions = partitions.max(1);
        let place = self.place_of(topic, partitions);
        let Stay { partition, bytes } = self.stays[place];
        let left = self.batch_bytes.checked_sub(bytes).filter(|left| *left > 0);
        left.filter(|_| partition < partitions)
            .map(|left| (partition, left))
    }

    /// Records of a topic went where it [stays](Self::stay).
    pub fn note(&mut self, topic: &Arc<str>, partitions: i32, bytes: usize) {
        let place = self.place_of(topic, partitions.max(1));
        self.stays[place].bytes += bytes;
    }

    #[inline]
    fn place_of(&mut self, topic: &Arc<str>, partitions: i32) -> usize {
        if let Some((last, place)) = &self.last
            && same_name(last, topic)
        {
            return *place;
        }
        let place = *self.topics.entry(Arc::clone(topic)).or_insert_with(|| {
            self.stays.push(Stay {
                partition: self.rng.i32(0..partitions),
                bytes: 0,
            });
            self.stays.len() - 1
        });
        self.last = Some((Arc::clone(topic), place));
        place
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// From `UtilsTest.testMurmur2` of Apache Kafka.
    #[test]
    fn hashes_as_java() {
        for (text, hash) in [
            ("21", -973932308),
            ("foobar", -790332482),
            ("a-little-bit-long-string", -985981536),
            ("a-little-bit-longer-string", -1486304829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58897971,
            ),
            ("abc", 479470107),
        ] {
            assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn a_negative_hash_is_masked_not_negated() {
        let positive = -973932308 & i32::MAX;
        assert_eq!(partition_for_key(b"21", i32::MAX), positive);
        assert_eq!(partition_for_key(b"21", 3), positive % 3);
        assert_eq!(partition_for_key(b"21", 0), 0);
    }

    #[test]
    fn stays_for_a_batch_then_moves_on() {
        let topic: Arc<str> = "t".into();
        let mut sticky = StickyPartitioner::new(100, 1);
        let mut last = None;
        for _ in 0..50 {
            let first = sticky.partition(&topic, 6, 50);
            assert_eq!(sticky.partition(&topic, 6, 50), first);
            assert_ne!(last.replace(first), Some(first));
        }
    }

    #[test]
    fn many_stay_as_long_as_one_after_the_other() {
        let topic: Arc<str> = "t".into();
        let [mut one_by_one, mut together] = [1, 1].map(|seed| StickyPartitioner::new(100, seed));
        for bytes in [30, 90, 91, 1, 45] {
            let first = one_by_one.partition(&topic, 6, 10);
            assert_eq!(together.partition(&topic, 6, 10), first);
            while let Some((partition, _)) = together.stay(&topic, 6) {
                assert_eq!(one_by_one.partition(&topic, 6, bytes), partition);
                together.note(&topic, 6, bytes);
            }
        }
        // It has fewer partitions all at once.
        while together.partition(&topic, 6, 99) < 3 {}
        assert!(together.stay(&topic, 6).is_some());
        assert_eq!(together.stay(&topic, 3), None);
    }

    #[test]
    fn every_partition_gets_its_share() {
        let topic: Arc<str> = "t".into();
        let mut sticky = StickyPartitioner::new(1, 1);
        let mut counts = [0; 6];
        for _ in 0..6_000 {
            counts[sticky.partition(&topic, 6, 1) as usize] += 1;
        }
        assert!(
            counts.iter().all(|n| (800..1_200).contains(n)),
            "{counts:?}"
        );
    }

    #[test]
    fn topics_are_apart_and_may_shrink() {
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let mut sticky = StickyPartitioner::new(100, 1);
        let stays = sticky.partition(&one, 1_000, 10);
        for _ in 0..20 {
            sticky.partition(&other, 1_000, 10);
        }
        assert_eq!(sticky.partition(&one, 1_000, 10), stays);
        assert_eq!(sticky.partition(&one, 1, 10), 0);
    }

    proptest! {
        #[test]
        fn always_a_partition_of_the_topic(
            key in proptest::collection::vec(any::<u8>(), 0..20),
            partitions in 1..i32::MAX,
            seed: u64,
            sizes in proptest::collection::vec((1..50, 0_usize..200), 1..20),
        ) {
            prop_assert!((0..partitions).contains(&partition_for_key(&key, partitions)));
            let mut sticky = StickyPartitioner::new(100, seed);
            for (partitions, bytes) in sizes {
                let partition = sticky.partition(&"t".into(), partitions, bytes);
                prop_assert!((0..partitions).contains(&partition));
            }
        }
    }
}
