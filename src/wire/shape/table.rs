//! How the shapes are written down: one row a field, in the order of the wire.
//!
//! ```text
//! api! {
//!     NAME flexible 12;            // from which version on it is flexible (KIP-482), or `never`
//!     request { … }
//!     response {
//!         throttle_time_ms: i32;
//!         error_code: i16 (7..);   // the versions that have it; all of them where nothing is said
//!         responses: [             // an array of records; `[i32]` is one of numbers
//!             topic: text (..=12);
//!         ];
//!         current_leader: { … } tag 1;
//!         assignment: (maybe { … });   // a record that may be null
//!     }
//! }
//! ```
//!
//! Texts, bytes and arrays may be null in every row: whether they may be is the message crate's to
//! say.

/// One API.
#[derive(Debug)]
pub(super) struct Api {
    /// The first version with compact lengths and tagged fields.
    pub(super) flexible_from: i16,
    pub(super) request: &'static [Field],
    pub(super) response: &'static [Field],
}

/// One row.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The first and the last version that have it.
    pub(super) versions: (i16, i16),
    /// Its number, where it is among the tagged fields that follow the others.
    pub(super) tag: Option<u32>,
}

impl Field {
    pub(super) fn is_in(&self, version: i16) -> bool {
        (self.versions.0..=self.versions.1).contains(&version)
    }
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A length of two bytes, or a compact one, and as many bytes.
    Text,
    /// A length of four bytes, or a compact one, and as many bytes.
    Bytes,
    /// Fields, and then tagged ones where the version is flexible.
    Record(&'static [Field]),
    /// One byte, and a record where it is 1.
    Maybe(&'static [Field]),
    /// A count of four bytes, or a compact one, and as many of these.
    List(&'static Kind),
}

macro_rules! api {
    (
        $name:ident flexible $flexible_from:tt;
        request { $($request:tt)* }
        response { $($response:tt)* }
    ) => {
        pub(in crate::wire::shape) const $name: $crate::wire::shape::table::Api =
            $crate::wire::shape::table::Api {
                flexible_from: $crate::wire::shape::table::flexible!($flexible_from),
                request: $crate::wire::shape::table::fields!($($request)*),
                response: $crate::wire::shape::table::fields!($($response)*),
            };
    };
}

macro_rules! flexible {
    (never) => {
        i16::MAX
    };
    ($from:literal) => {
        $from
    };
}

macro_rules! fields {
    ($($name:ident: $kind:tt $(($($versions:tt)*))? $(tag $tag:literal)?;)*) => {
        &[$(
            $crate::wire::shape::table::Field {
                name: stringify!($name),
                kind: $crate::wire::shape::table::kind!($kind),
                versions: $crate::wire::shape::table::versions!($($($versions)*)?),
                tag: $crate::wire::shape::table::tag!($($tag)?),
            },
        )*]
    };
}

macro_rules! kind {
    (flag) => { $crate::wire::shape::table::Kind::Fixed(1) };
    (i8) => { $crate::wire::shape::table::Kind::Fixed(1) };
    (i16) => { $crate::wire::shape::table::Kind::Fixed(2) };
    (i32) => { $crate::wire::shape::table::Kind::Fixed(4) };
    (i64) => { $crate::wire::shape::table::Kind::Fixed(8) };
    (uuid) => { $crate::wire::shape::table::Kind::Fixed(16) };
    (text) => { $crate::wire::shape::table::Kind::Text };
    (bytes) => { $crate::wire::shape::table::Kind::Bytes };
    ((maybe {$($fields:tt)*})) => {
        $crate::wire::shape::table::Kind::Maybe($crate::wire::shape::table::fields!($($fields)*))
    };
    ([$of:ident]) => {
        $crate::wire::shape::table::Kind::List(&$crate::wire::shape::table::kind!($of))
    };
    ([$($fields:tt)*]) => {
        $crate::wire::shape::table::Kind::List(&$crate::wire::shape::table::kind!({$($fields)*}))
    };
    ({$($fields:tt)*}) => {
        $crate::wire::shape::table::Kind::Record($crate::wire::shape::table::fields!($($fields)*))
    };
}

macro_rules! versions {
    () => {
        (0, i16::MAX)
    };
    ($from:literal..) => {
        ($from, i16::MAX)
    };
    (..=$to:literal) => {
        (0, $to)
    };
    ($from:literal..=$to:literal) => {
        ($from, $to)
    };
}

macro_rules! tag {
    () => {
        None
    };
    ($tag:literal) => {
        Some($tag)
    };
}

pub(super) use {api, fields, flexible, kind, tag, versions};
