//! One partition's records. Pure.

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Log {}
