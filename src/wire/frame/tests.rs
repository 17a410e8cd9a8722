use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::produce_response::TopicProduceResponse;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FetchResponse, HeartbeatRequest,
    HeartbeatResponse, MetadataRequest, ProduceRequest, ProduceResponse,
};
use kafka_protocol::protocol::decode_request_header_from_buffer;
use proptest::prelude::*;

use super::*;

fn response(header_version: i16, body: &impl Encodable, version: i16) -> BytesMut {
    let mut frame = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(77);
    header.encode(&mut frame, header_version).unwrap();
    body.encode(&mut frame, version).unwrap();
    frame
}

#[test]
fn a_request_is_what_a_broker_reads() {
    // Version 3 has the older header, version 4 the one with tagged fields.
    for version in [3, 4] {
        let body = HeartbeatRequest::default().with_generation_id(9);
        let mut frame = request(42, Some("me"), version, &body).unwrap();
        assert_eq!(frame.get_i32() as usize, frame.len());
        let header = decode_request_header_from_buffer(&mut frame).unwrap();
        assert_eq!(header.request_api_key, ApiKey::Heartbeat as i16);
        assert_eq!(
            (header.request_api_version, header.correlation_id),
            (version, 42)
        );
        assert_eq!(header.client_id.as_deref(), Some("me"));
        assert_eq!(HeartbeatRequest::decode(&mut frame, version).unwrap(), body);
        assert!(frame.is_empty());
    }
}

#[test]
fn a_version_that_the_message_lacks_is_an_error() {
    let error = request(1, None, 99, &HeartbeatRequest::default()).unwrap_err();
    assert!(matches!(error, FrameError::Unencodable(_)), "{error}");
    let error = decode_response::<HeartbeatRequest>(Bytes::from_static(&[0; 9]), 99);
    assert!(matches!(error, Err(FrameError::Malformed(_))), "{error:?}");
}

#[test]
fn a_response_is_decoded_after_its_header() {
    let body = HeartbeatResponse::default().with_error_code(27);
    for (version, header_version) in [(3, 0), (4, 1)] {
        let mut frame = response(header_version, &body, version);
        assert_eq!(correlation_id(&frame), Ok(77));
        frame.put_slice(b"more");
        let decoded = decode_response::<HeartbeatRequest>(frame.freeze(), version);
        assert_eq!(decoded.as_ref(), Ok(&body));
    }
}

#[test]
fn a_throttle_time_is_found_wherever_it_stands() {
    let topics =
        vec![TopicProduceResponse::default().with_name(super::super::names::topic_name("t"))];
    for (version, header_version) in [(8, 0), (9, 1), (11, 1)] {
        let told = |ms| {
            let topics = topics.clone();
            let body = ProduceResponse::default().with_responses(topics);
            let body = body.with_throttle_time_ms(ms);
            let frame = response(header_version, &body, version).freeze();
            throttle_time::<ProduceRequest>(&frame, version)
        };
        assert_eq!(told(250), Some(Duration::from_millis(250)), "{version}");
        assert_eq!((told(0), told(-1)), (None, None), "{version}");
    }
    let body = FetchResponse::default().with_throttle_time_ms(9);
    let frame = response(1, &body, 12).freeze();
    let found = throttle_time::<FetchRequest>(&frame, 12);
    assert_eq!(found, Some(Duration::from_millis(9)));
    assert_eq!(throttle_time::<FetchRequest>(&frame.slice(..7), 12), None);
}

#[test]
fn errors_are_found_in_the_whole_and_in_the_parts() {
    let partition = |code| PartitionData::default().with_error_code(code);
    let topic = FetchableTopicResponse::default()
        .with_topic(super::super::names::topic_name("t"))
        .with_partitions(vec![partition(0), partition(6), partition(-1)]);
    let body = FetchResponse::default().with_responses(vec![topic]);
    for (code, told) in [(0, &[6, -1][..]), (70, &[70, 6, -1])] {
        let frame = response(1, &body.clone().with_error_code(code), 12).freeze();
        let found: Vec<_> = error_codes::<FetchRequest>(&frame, 12)
            .iter()
            .map(|code| code.0)
            .collect();
        assert_eq!(found, told);
        // What can be read of a message that is cut off is looked at, and no more.
        for cut in 0..frame.len() {
            let some = error_codes::<FetchRequest>(&frame.slice(..cut), 12);
            assert!(some.len() <= told.len());
        }
    }
}

#[test]
fn the_header_of_an_api_versions_response_never_has_tagged_fields() {
    let body = ApiVersionsResponse::default().with_error_code(35);
    let frame = response(0, &body, 3).freeze();
    assert_eq!(decode_response::<ApiVersionsRequest>(frame, 3), Ok(body));
}

#[test]
fn a_response_that_is_cut_off_is_malformed() {
    let frame = response(1, &HeartbeatResponse::default(), 4).freeze();
    for len in 0..frame.len() {
        let error = decode_response::<HeartbeatRequest>(frame.slice(..len), 4).unwrap_err();
        assert!(matches!(error, FrameError::Malformed(_)), "{error}");
    }
    assert!(correlation_id(&frame[..3]).is_err());
}

#[test]
fn an_array_that_the_frame_cant_hold_is_malformed() {
    let frame = Bytes::from_static(b"\0\0\0\x4d\0\0\0\0\0\x7f\xff\xff\xff\x0f\0\0\0\0\0\0\0\0");
    let error = decode_response::<MetadataRequest>(frame, 12).unwrap_err();
    assert!(error.to_string().contains("elements of brokers"), "{error}");
}

#[test]
fn split_takes_frames_without_copying_and_reserves_for_the_rest() {
    let mut buf = BytesMut::with_capacity(16);
    buf.put_slice(b"\0\0\0\x03abc\0\0\0\0\0\0\x10\0de");
    let start = buf.as_ptr();
    let first = split(&mut buf, 0x1000).unwrap().unwrap();
    assert_eq!(&first[..], b"abc");
    assert_eq!(first.as_ptr(), start.wrapping_add(LENGTH_BYTES));
    assert_eq!(split(&mut buf, 0x1000), Ok(Some(Bytes::new())));
    assert_eq!(split(&mut buf, 0x1000), Ok(None));
    assert_eq!(&buf[..], b"\0\0\x10\0de");
    assert!(buf.capacity() >= LENGTH_BYTES + 0x1000);
}

#[test]
fn split_refuses_lengths_before_it_reserves() {
    for announced in [-1, i32::MIN, 1001, i32::MAX] {
        let mut buf = BytesMut::from(&announced.to_be_bytes()[..]);
        let limit = 1000;
        assert_eq!(
            split(&mut buf, limit),
            Err(FrameError::BadLength { announced, limit })
        );
        assert!(buf.capacity() <= 1000);
    }
    assert_eq!(split(&mut BytesMut::from(&[0, 0, 3][..]), 1000), Ok(None));
}

#[test]
fn a_peer_that_is_no_broker_is_named() {
    let said = |bytes: &[u8]| {
        let error = split(&mut BytesMut::from(bytes), 100 << 20).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        said(b"HTTP/1.1 400"),
        "the peer speaks HTTP, not Kafka's protocol"
    );
    let tls = "the peer speaks TLS, not Kafka's protocol";
    assert_eq!(said(b"\x15\x03\x03\0\x02"), tls);
    assert_eq!(said(b"\x16\x03\x01\0\x02"), tls);
    assert!(said(b"SSH-2.0").contains("1397966893 bytes"));
}

proptest! {
    /// However the bytes arrive, the same frames come out.
    #[test]
    fn split_does_not_depend_on_how_bytes_arrive(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        pieces in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let mut stream = Vec::new();
        for frame in &frames {
            stream.put_i32(frame.len() as i32);
            stream.put_slice(frame);
        }
        let (mut buf, mut got, mut rest) = (BytesMut::new(), Vec::new(), &stream[..]);
        for piece in pieces.iter().cycle() {
            let len = rest.len().min(*piece);
            buf.put_slice(&rest[..len]);
            rest = &rest[len..];
            while let Some(frame) = split(&mut buf, 40).unwrap() {
                got.push(frame.to_vec());
            }
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(got, frames);
    }

    #[test]
    fn random_responses_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let bytes = Bytes::from(bytes);
        let _ = decode_response::<MetadataRequest>(bytes.clone(), 8);
        let _ = decode_response::<MetadataRequest>(bytes, 12);
    }
}
