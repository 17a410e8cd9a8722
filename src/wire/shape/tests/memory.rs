//! What is allocated while a message is decoded is no more than was said before.

use allocation_counter::measure;
use bytes::Bytes;
use kafka_protocol::protocol::{Decodable, Message, Request};

use super::generate::Generator;
use super::with_every_api;
use crate::wire::shape::api;
use crate::wire::shape::table::{Api, Field};
use crate::wire::shape::walk::allocated;

const SEEDS: u64 = 24;
/// The frame itself becomes shared when a first slice is made of it.
const SHARING: usize = 64;

fn hold_to_it<R: Request>() {
    let api = api(R::KEY).unwrap();
    hold::<R>(api, api.request);
    hold::<R::Response>(api, api.response);
}

fn hold<M: Message + Decodable>(api: &Api, fields: &'static [Field]) {
    for version in M::VERSIONS.min..=M::VERSIONS.max {
        for seed in 0..SEEDS {
            let flexible = version >= api.flexible_from;
            let mut generator = Generator {
                random: fastrand::Rng::with_seed(seed),
                version,
                flexible,
                nulls: false,
            };
            let message = Bytes::from(generator.message(fields));
            let said = allocated(fields, version, flexible, &message).unwrap();
            let mut decoded = None;
            let info = measure(|| decoded = M::decode(&mut message.clone(), version).ok());
            assert!(decoded.is_some());
            let took = usize::try_from(info.bytes_max).unwrap();
            let what = std::any::type_name::<M>();
            assert!(
                took <= said + SHARING,
                "{what} {version} {seed}: {took}, {said} was said"
            );
        }
    }
}

#[test]
fn no_message_takes_more_than_is_said() {
    with_every_api!(hold_to_it);
}
