//! A look at a message before the message crate decodes it.
//!
//! The message crate reserves memory for as many elements as an array says it has: a count of
//! 2³¹ in an answer of 40 bytes ends the process. So each message is gone through first, by a
//! table of what its versions consist of, and one that claims more than its bytes hold is refused.
//! That costs a look at each field and none at the records of a Fetch, which are bytes to it.
//!
//! # Invariants
//!
//! - What passes decodes in memory proportional to its bytes: each element of an array has been
//!   found there, and takes a byte or more of it.
//! - It decodes in 64 MiB at most, beside the bytes themselves, however many they are.
//! - The time is proportional to the bytes too, and the depth is that of the table: nothing in a
//!   message nests by itself.
//! - No message passes whose shape is not in the table: there is none that is decoded unseen.
//! - What passes need not decode: values, texts and nulls are the message crate's to check. The
//!   tests hold the table against it, in all versions that it has.

mod apis;
mod size;
mod table;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;

use kafka_protocol::messages::ApiKey;

pub(crate) use walk::ShapeError;

use super::ErrorCode;

/// Why a message is not to be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The table lacks the API.
    Unknown(i16),
    /// The bytes are not such a message.
    Misshapen(ShapeError),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(key) => write!(f, "the shape of API {key} is not known"),
            Self::Misshapen(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

/// Goes through the body of a request; what follows it is returned.
///
/// # Errors
///
/// [`Refused`] where it must not be decoded.
pub(crate) fn check_request(key: i16, version: i16, body: &[u8]) -> Result<&[u8], Refused> {
    check(key, version, |api| api.request, body)
}

/// Goes through the body of a response; what follows it is returned.
///
/// # Errors
///
/// [`Refused`] where it must not be decoded.
pub(crate) fn check_response(key: i16, version: i16, body: &[u8]) -> Result<&[u8], Refused> {
    check(key, version, |api| api.response, body)
}

/// `throttle_time_ms` of the body of a response, where it has one.
pub(crate) fn throttle_time_ms(key: i16, version: i16, body: &[u8]) -> Option<i32> {
    let api = api(key).ok()?;
    let flexible = version >= api.flexible_from;
    walk::number(api.response, "throttle_time_ms", version, flexible, body)
}

/// What the fields named `error_code` hold in the body of a response, but for those that say that
/// all is well.
pub(crate) fn error_codes(key: i16, version: i16, body: &[u8]) -> Vec<ErrorCode> {
    let Ok(api) = api(key) else {
        return Vec::new();
    };
    walk::error_codes(api.response, version, version >= api.flexible_from, body)
}

fn check(
    key: i16,
    version: i16,
    message: impl FnOnce(&table::Api) -> &'static [table::Field],
    body: &[u8],
) -> Result<&[u8], Refused> {
    let api = api(key)?;
    let flexible = version >= api.flexible_from;
    walk::walk(message(api), version, flexible, body).map_err(Refused::Misshapen)
}

fn api(key: i16) -> Result<&'static table::Api, Refused> {
    ApiKey::try_from(key)
        .ok()
        .and_then(apis::find)
        .ok_or(Refused::Unknown(key))
}
