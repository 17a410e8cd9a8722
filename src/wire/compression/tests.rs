use super::*;

#[test]
fn round_trip() {
    let text = b"Wire ".repeat(50_000);
    for codec in Compression::ALL {
        for data in [&b""[..], b"x", &text] {
            let compressed = compress(codec, data).unwrap();
            assert_eq!(
                decompress(codec, &compressed, data.len()).unwrap(),
                data,
                "{codec}"
            );
        }
    }
}
