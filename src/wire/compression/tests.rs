use proptest::prelude::*;

use super::*;

/// At the default level.
fn compress(codec: Compression, data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    super::compress(codec, GzipLevel::default(), data)
}

const MIB: usize = 1 << 20;

fn codecs() -> impl Strategy<Value = Compression> {
    prop::sample::select(&Compression::ALL[1..])
}

/// Bytes that no codec can make smaller: a xorshift sequence.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn lines(len: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|n| format!("line {n}\n").into_bytes());
    lines.take(len).collect()
}

fn codec_error(result: Result<Bytes, CompressionError>) -> String {
    match result {
        Err(CompressionError::Codec { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ids_and_names_are_kafkas() {
    let names = ["none", "gzip", "snappy", "lz4", "zstd"];
    for (id, name) in (0..).zip(names) {
        let codec = Compression::from_id(id).unwrap();
        assert_eq!((codec.id(), codec.to_string().as_str()), (id, name));
        assert_eq!(name.parse(), Ok(codec));
    }
    assert_eq!(Compression::from_id(5), None);
    let error = "LZ4".parse::<Compression>().unwrap_err();
    assert!(error.to_string().contains("'LZ4'") && error.to_string().contains("lz4 or zstd"));
}

#[test]
fn round_trips_at_exactly_the_limit() {
    let sizes = [0, 1, 100, 64 * 1024, 64 * 1024 + 1, MIB];
    for codec in Compression::ALL {
        for data in sizes
            .iter()
            .flat_map(|len| [noise(*len), lines(*len), vec![0; *len]])
        {
            let compressed = compress(codec, &data).unwrap();
            let result = decompress(codec, &compressed, data.len());
            assert!(result.as_deref() == Ok(&data), "{codec} {}", data.len());
            if let Some(limit) = data.len().checked_sub(1) {
                let error = decompress(codec, &compressed, limit).unwrap_err();
                assert_eq!(
                    error,
                    CompressionError::TooLarge { limit },
                    "{codec} {}",
                    data.len()
                );
            }
        }
    }
}

#[test]
fn repetition_is_made_smaller() {
    for codec in &Compression::ALL[1..] {
        let len = compress(*codec, &lines(MIB)).unwrap().len();
        assert!(len < MIB / 2, "{codec} {len}");
    }
}

#[test]
fn gzip_writes_at_every_level() {
    let data = lines(MIB);
    let sizes: Vec<_> = (1..=9)
        .map(|level| {
            let compressed = super::compress(Compression::Gzip, GzipLevel::new(level), &data);
            let compressed = compressed.unwrap();
            let back = decompress(Compression::Gzip, &compressed, MIB);
            assert!(back.as_deref() == Ok(&data), "level {level}");
            compressed.len()
        })
        .collect();
    assert!(sizes[8] < sizes[0], "{sizes:?}");
    assert_eq!(GzipLevel::new(0), GzipLevel::FASTEST);
    assert_eq!(GzipLevel::new(200), GzipLevel::SMALLEST);
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeros = vec![0; 100 * MIB];
    for codec in &Compression::ALL[1..] {
        let bomb = compress(*codec, &zeros).unwrap();
        let error = decompress(*codec, &bomb, MIB).unwrap_err();
        assert_eq!(error, CompressionError::TooLarge { limit: MIB }, "{codec}");
    }
}

#[test]
fn output_reserves_no_more_than_its_limit() {
    let mut out = Output::new(1000);
    for _ in 0..9 {
        out.append(&[1; 100]).unwrap();
        assert!(out.capacity() <= 1000);
    }
    assert_eq!(out.room(), 100);
    assert!(out.append(&[1; 101]).is_err());
    assert_eq!(
        out.grow(100)
            .map(|(before, added)| (before.len(), added.len())),
        Ok((900, 100))
    );
    out.shrink(50);
    assert_eq!((out.room(), Bytes::from(out).len()), (50, 950));
}

#[test]
fn empty_cut_and_trailing_data_are_refused() {
    let data = lines(100_000);
    for codec in &Compression::ALL[1..] {
        let whole = compress(*codec, &data).unwrap();
        codec_error(decompress(*codec, &whole[..whole.len() - 1], MIB));
        codec_error(decompress(*codec, &[&whole[..], b"\x01"].concat(), MIB));
        codec_error(decompress(*codec, b"", MIB));
    }
}

#[test]
fn streams_one_after_the_other_are_joined() {
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let part = |data: &[u8]| compress(codec, data).unwrap();
        let joined = [part(b"one "), part(b""), part(b"two")].concat();
        assert_eq!(
            decompress(codec, &joined, 7).as_deref(),
            Ok(&b"one two"[..]),
            "{codec}"
        );
        let error = decompress(codec, &joined, 6).unwrap_err();
        assert_eq!(error, CompressionError::TooLarge { limit: 6 }, "{codec}");
    }
}

#[test]
fn snappy_is_read_with_and_without_javas_framing() {
    let block = |data: &[u8]| snap::raw::Encoder::new().compress_vec(data).unwrap();
    let decompress = |data: &[u8]| decompress(Compression::Snappy, data, MIB);
    assert_eq!(decompress(&block(b"raw")).as_deref(), Ok(&b"raw"[..]));

    let framed = |blocks: &[&[u8]]| {
        let mut data = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
        for block in blocks {
            data.extend((block.len() as u32).to_be_bytes());
            data.extend_from_slice(block);
        }
        data
    };
    let several = framed(&[&block(b"one "), &block(b""), &block(b"two")]);
    assert_eq!(decompress(&several).as_deref(), Ok(&b"one two"[..]));
    assert_eq!(decompress(&framed(&[])).as_deref(), Ok(&b""[..]));

    assert_eq!(
        codec_error(decompress(b"\x82SNAPPY\0\0\0\0\x01")),
        "the data is cut off"
    );
    assert_eq!(
        codec_error(decompress(&several[..several.len() - 1])),
        "the data is cut off"
    );
    let negative_length = [&framed(&[])[..], &[0xff; 4]].concat();
    assert!(decompress(&negative_length).is_err());
}

#[test]
fn a_claimed_size_is_refused_before_memory_is_reserved() {
    let limit = MIB;
    // A snappy block of 4 GiB.
    let snappy = b"\xff\xff\xff\xff\x0f\0";
    let error = decompress(Compression::Snappy, snappy, limit).unwrap_err();
    assert_eq!(error, CompressionError::TooLarge { limit });
    // An LZ4 frame of 4 MiB blocks that holds none.
    let lz4 = b"\x04\x22\x4d\x18\x60\x70\x73\0\0\0\0";
    assert_eq!(decompress(Compression::Lz4, lz4, 0), Ok(Bytes::new()));
    // A block larger than the frame's 64 KiB.
    let lz4 = b"\x04\x22\x4d\x18\x60\x40\x82\x01\0\x01\0";
    let error = codec_error(decompress(Compression::Lz4, lz4, limit));
    assert_eq!(error, "a block is larger than the frame allows");
}

/// Written by the reference tools, lz4 1.9.4 and zstd 1.5.4.
#[test]
fn frames_of_the_reference_tools_are_read() {
    let text = b"payment-notification ".repeat(8);
    // Independent blocks, with a content checksum.
    let lz4 = b"\x04\x22\x4d\x18\x64\x40\xa7\x20\0\0\0\xff\x06payment-notification \x15\0\
        \x7bPtion \0\0\0\0\xd2\x1c\xfe\xc1";
    assert_eq!(
        decompress(Compression::Lz4, lz4, MIB).as_deref(),
        Ok(&text[..])
    );
    // With the content's size and a checksum.
    let zstd = b"\x28\xb5\x2f\xfd\x24\xa8\xe5\0\0\xa8payment-notification \x01\0\x21\x48\x4d\x26\
        \xc0\x54\xf9\x16";
    assert_eq!(
        decompress(Compression::Zstd, zstd, MIB).as_deref(),
        Ok(&text[..])
    );
}

#[test]
fn lz4_blocks_may_refer_to_those_before_and_carry_checksums() {
    use std::io::Write;

    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

    let data = [lines(200_000), noise(100_000), lines(200_000)].concat();
    for mode in [BlockMode::Independent, BlockMode::Linked] {
        let info = FrameInfo::new()
            .block_mode(mode)
            .block_size(BlockSize::Max64KB)
            .block_checksums(true)
            .content_checksum(true)
            .content_size(Some(data.len() as u64));
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&data).unwrap();
        let frame = encoder.finish().unwrap();
        let result = decompress(Compression::Lz4, &frame, data.len());
        assert!(result.as_deref() == Ok(&data[..]), "{mode:?}");
    }
}

#[test]
fn lz4_is_written_as_javas_reader_needs_it() {
    let frame = compress(Compression::Lz4, &lines(MIB)).unwrap();
    // Version 1, independent blocks of 64 KiB, and the checksum of that.
    assert!(frame.starts_with(b"\x04\x22\x4d\x18\x60\x40\x82"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_data_comes_back(
        codec in codecs(),
        runs in prop::collection::vec((any::<u8>(), 0_usize..200), 0..50),
    ) {
        let data: Vec<_> = runs.iter().flat_map(|(byte, len)| vec![*byte; *len]).collect();
        let compressed = compress(codec, &data).unwrap();
        prop_assert_eq!(decompress(codec, &compressed, data.len()), Ok(data.into()));
    }

    #[test]
    fn random_data_never_panics(
        codec in codecs(),
        data in prop::collection::vec(any::<u8>(), 0..300),
        with_start: bool,
    ) {
        // A right start gets further than noise does.
        let start = if with_start { compress(codec, b"").unwrap() } else { vec![] };
        let keep = start.len().saturating_sub(4);
        let data = [&start[..keep], &data].concat();
        if let Ok(out) = decompress(codec, &data, 10_000) {
            prop_assert!(out.len() <= 10_000);
        }
    }

    #[test]
    fn damaged_data_never_panics(
        codec in codecs(),
        len in 0_usize..3000,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut data = compress(codec, &[lines(len), noise(len / 4)].concat()).unwrap();
        for (at, byte) in damage {
            let at = at.index(data.len());
            data[at] = byte;
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(data.len()));
        }
        if let Ok(out) = decompress(codec, &data, 10_000) {
            prop_assert!(out.len() <= 10_000);
        }
    }
}
