//! Messages that say what isn't so.

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, MetadataRequest};
use kafka_protocol::protocol::{Decodable, Message, Request};

use super::generate::{Generator, put_varint};
use super::with_every_api;
use crate::wire::shape::table::{Api, Field, Kind};
use crate::wire::shape::{Refused, api, apis, check_request, check_response};

/// What the message crate would reserve gigabytes for: a count of either kind.
const COUNTS: [&[u8]; 3] = [
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0x7f],
];

fn said(result: Result<&[u8], Refused>) -> String {
    result.unwrap_err().to_string()
}

/// Wherever a huge count stands in a message, the message is refused or harmless: were it not,
/// the decoding would end the process that runs this test.
fn bear_counts<R: Request>() {
    let api = api(R::KEY).unwrap();
    bear::<R>(api, api.request, |version, body| {
        check_request(R::KEY, version, body).is_ok()
    });
    bear::<R::Response>(api, api.response, |version, body| {
        check_response(R::KEY, version, body).is_ok()
    });
}

fn bear<M: Message + Decodable>(
    api: &Api,
    fields: &'static [Field],
    passes: impl Fn(i16, &[u8]) -> bool,
) {
    for version in M::VERSIONS.min..=M::VERSIONS.max {
        let mut generator = Generator {
            random: fastrand::Rng::with_seed(version.unsigned_abs().into()),
            version,
            flexible: version >= api.flexible_from,
            nulls: false,
        };
        let message = generator.message(fields);
        for at in 0..message.len().min(200) {
            assert!(!passes(version, &message[..at]), "cut off at {at}");
            for count in COUNTS {
                let (before, after) = message.split_at(at);
                let over = after.get(count.len()..).unwrap_or_default();
                for rest in [after, over] {
                    let hostile = [before, count, rest].concat();
                    if passes(version, &hostile) {
                        let _ = M::decode(&mut Bytes::from(hostile), version);
                    }
                }
            }
        }
    }
}

#[test]
fn a_huge_count_anywhere_reserves_nothing() {
    with_every_api!(bear_counts);
}

#[test]
fn a_count_is_refused_that_the_bytes_cant_hold() {
    let key = MetadataRequest::KEY;
    // Version 8: brokers, with a count of four bytes.
    let body = b"\0\0\0\0\x7f\xff\xff\xff\0\0\0\x01";
    assert_eq!(
        said(check_response(key, 8, body)),
        "2147483647 elements of brokers can't be in the 4 bytes left"
    );
    // Version 9: brokers, with a compact one.
    let body = b"\0\0\0\0\xff\xff\xff\xff\x0f\0\0";
    assert_eq!(
        said(check_response(key, 9, body)),
        "4294967294 elements of brokers can't be in the 2 bytes left"
    );
    // Two brokers where there is room for one.
    let body = b"\0\0\0\0\0\0\0\x02\0\0\0\x01\0\x01h\0\0\0\x09\xff\xff";
    assert_eq!(
        said(check_response(key, 8, body)),
        "the bytes end within node_id"
    );
}

#[test]
fn lengths_that_cant_be_are_refused() {
    let key = ApiKey::SyncGroup as i16;
    let bytes = |length: i32| [&[0; 6][..], &length.to_be_bytes()].concat();
    assert_eq!(check_response(key, 3, &bytes(-1)), Ok(&b""[..]));
    assert_eq!(
        said(check_response(key, 3, &bytes(-2))),
        "assignment has the length -2"
    );
    assert!(said(check_response(key, 3, &bytes(1))).contains("end within assignment"));
    let varint = [&[0; 6][..], &[0xff; 5]].concat();
    assert_eq!(
        said(check_response(key, 4, &varint)),
        "assignment has a length or a number of more than 32 bits"
    );
}

#[test]
fn what_follows_is_left() {
    let heartbeat = ApiKey::Heartbeat as i16;
    let left = check_response(heartbeat, 3, b"\0\0\0\0\0\x1bmore");
    assert_eq!(left, Ok(&b"more"[..]));
}

#[test]
fn a_tagged_field_is_as_long_as_its_size() {
    let key = ApiKey::ApiVersions as i16;
    // An empty list of APIs, and finalized_features_epoch, which has eight bytes.
    let body = |size: u8| [&b"\0\0\x01\0\0\0\0\x01\x01"[..], &[size], &[0; 8]].concat();
    assert_eq!(check_response(key, 3, &body(8)), Ok(&b""[..]));
    assert!(ApiVersionsResponse::decode(&mut Bytes::from(body(8)), 3).is_ok());
    // The message crate would not mind.
    assert!(ApiVersionsResponse::decode(&mut Bytes::from(body(7)), 3).is_ok());
    assert_eq!(
        said(check_response(key, 3, &body(7))),
        "finalized_features_epoch is not as long as its tag says"
    );
}

#[test]
fn unknown_tagged_fields_are_few_for_the_bytes() {
    let key = ApiKey::Heartbeat as i16;
    let body = |count: u32, size: usize| {
        let mut body = vec![0; 6];
        put_varint(&mut body, count);
        for tag in 0..count {
            put_varint(&mut body, tag);
            put_varint(&mut body, size as u32);
            body.resize(body.len() + size, 0);
        }
        body
    };
    assert_eq!(check_response(key, 4, &body(1000, 0)), Ok(&b""[..]));
    assert_eq!(check_response(key, 4, &body(9000, 40)), Ok(&b""[..]));
    assert_eq!(
        said(check_response(key, 4, &body(9000, 0))),
        "too many unknown tagged fields"
    );
}

#[test]
fn what_is_not_in_the_table_is_refused() {
    let unknown = ApiKey::AlterPartitionReassignments as i16;
    for key in [unknown, -1, i16::MAX] {
        assert_eq!(check_response(key, 0, b""), Err(Refused::Unknown(key)));
        assert_eq!(check_request(key, 0, b""), Err(Refused::Unknown(key)));
    }
}

/// The least that a field takes. A list of what takes nothing could have any count.
fn least_bytes(kind: &Kind, version: i16, flexible: bool) -> usize {
    match (kind, flexible) {
        (Kind::Fixed(size), _) => *size,
        (Kind::Maybe(_), _) => 1,
        (Kind::Text, false) => 2,
        (Kind::Bytes | Kind::List(_), false) => 4,
        (Kind::Text | Kind::Bytes | Kind::List(_), true) => 1,
        (Kind::Record(fields), _) => {
            let fields = fields.iter();
            let there = fields.filter(|field| field.tag.is_none() && field.is_in(version));
            let least = there.map(|field| least_bytes(&field.kind, version, flexible));
            least.sum::<usize>() + usize::from(flexible)
        }
    }
}

fn elements_take_bytes(fields: &[Field], version: i16, flexible: bool) {
    let there = |field: &&Field| field.is_in(version) && (flexible || field.tag.is_none());
    for field in fields.iter().filter(there) {
        let mut kind = &field.kind;
        if let Kind::List(of) = kind {
            let least = least_bytes(of, version, flexible);
            assert!(least > 0, "{} in version {version}", field.name);
            kind = of;
        }
        if let Kind::Record(fields) | Kind::Maybe(fields) = kind {
            elements_take_bytes(fields, version, flexible);
        }
    }
}

#[test]
fn every_element_of_a_list_takes_a_byte() {
    for api in (0..100)
        .filter_map(|key| ApiKey::try_from(key).ok())
        .filter_map(apis::find)
    {
        for version in 0..30 {
            let flexible = version >= api.flexible_from;
            elements_take_bytes(api.request, version, flexible);
            elements_take_bytes(api.response, version, flexible);
        }
    }
}
