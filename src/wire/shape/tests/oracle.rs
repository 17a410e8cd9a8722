//! What the table says and what the message crate reads are the same.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, Message, Request};

use super::generate::Generator;
use super::with_every_api;
use crate::wire::shape::table::{Api, Field};
use crate::wire::shape::{api, check_request, check_response};

const SEEDS: u64 = 24;

/// A message of the table is read by the crate to its last byte, and what the crate writes of it
/// is read by the table to its last byte.
fn agree<R: Request>() {
    let api = api(R::KEY).unwrap();
    hold::<R>(api, api.request, |version, body| {
        check_request(R::KEY, version, body).map(<[u8]>::len)
    });
    hold::<R::Response>(api, api.response, |version, body| {
        check_response(R::KEY, version, body).map(<[u8]>::len)
    });
}

fn hold<M: Message + Decodable + Encodable>(
    api: &Api,
    fields: &'static [Field],
    rest: impl Fn(i16, &[u8]) -> Result<usize, crate::wire::shape::Refused>,
) {
    for version in M::VERSIONS.min..=M::VERSIONS.max {
        for seed in 0..SEEDS {
            let mut generator = Generator {
                random: fastrand::Rng::with_seed(seed),
                version,
                flexible: version >= api.flexible_from,
                nulls: seed % 3 == 2,
            };
            let message = Bytes::from(generator.message(fields));
            let what = format!(
                "{} {version} {seed}: {message:?}",
                std::any::type_name::<M>()
            );
            assert_eq!(rest(version, &message), Ok(0), "{what}");
            let mut unread = message.clone();
            let decoded = match M::decode(&mut unread, version) {
                Err(_) if generator.nulls => continue,
                decoded => decoded.unwrap_or_else(|error| panic!("{what}: {error}")),
            };
            assert!(unread.is_empty(), "{what}: {unread:?} is left");
            let mut written = BytesMut::new();
            decoded.encode(&mut written, version).unwrap();
            assert_eq!(rest(version, &written), Ok(0), "{what}: {written:?}");
        }
    }
}

#[test]
fn the_message_crate_reads_what_the_table_says() {
    with_every_api!(agree);
}
