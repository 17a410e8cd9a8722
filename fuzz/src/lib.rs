//! What is fuzzed: one function a target, over bytes that anyone may send. Each panics where
//! something that must hold does not. `tests/hostile` feeds the corpora to the same functions.

mod logins;
mod messages;
mod records;
mod texts;

pub use logins::sasl;
pub use messages::{responses, subscription};
pub use records::{batch, gzip, headers, lz4, snappy, zstd};
pub use texts::{config, event, template};

/// A target's body.
pub type Target = fn(&[u8]);

/// All targets by name: `fuzz_targets/` has a file and `corpus/` a folder for each.
pub const TARGETS: [(&str, Target); 12] = [
    ("batch", batch),
    ("config", config),
    ("event", event),
    ("gzip", gzip),
    ("headers", headers),
    ("lz4", lz4),
    ("responses", responses),
    ("sasl", sasl),
    ("snappy", snappy),
    ("subscription", subscription),
    ("template", template),
    ("zstd", zstd),
];
