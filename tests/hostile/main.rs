//! What bytes from outside can do: the corpora of the fuzz targets, and the memory that the worst
//! of them take.

mod corpora;
mod memory;
#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a crate of its own where it is fuzzed")]
mod targets;
