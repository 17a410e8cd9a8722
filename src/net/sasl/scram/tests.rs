//! Conversations from the RFCs, and with a server that is honest or is not.

use proptest::prelude::*;

use super::message::{prepared, sasl_name};
use super::*;
use crate::secret::Secret;

const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

fn first(hash: Hash, username: &str, password: &str) -> ClientFirst {
    let login = Login {
        username: username.to_owned(),
        password: Secret::from(password),
    };
    ClientFirst::new(hash, &login, NONCE.to_owned()).unwrap()
}

fn answer(challenge: &str) -> Result<ClientFinal, ScramError> {
    first(Hash::Sha256, "user", "pencil").answer(challenge.as_bytes())
}

fn refused(challenge: &str) -> String {
    answer(challenge).err().expect("an error").to_string()
}

/// RFC 7677, section 3.
#[test]
fn the_conversation_of_the_rfc() {
    let client = first(Hash::Sha256, "user", "pencil");
    assert_eq!(client.message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let client = client.answer(CHALLENGE.as_bytes()).unwrap();
    assert_eq!(
        client.message(),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    let last = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    assert_eq!(client.verify(last), Ok(()));
}

/// The same with SHA-512, for which no RFC has one: computed with Python's hashlib.
#[test]
fn the_same_conversation_with_sha_512() {
    let client = first(Hash::Sha512, "user", "pencil").answer(CHALLENGE.as_bytes());
    let client = client.unwrap();
    let proof = "p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==";
    assert!(client.message().ends_with(proof), "{}", client.message());
    let last = b"v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==";
    assert_eq!(client.verify(last), Ok(()));
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    let client = answer(CHALLENGE).unwrap();
    for signature in [
        "7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        // The beginning of the right one, and nothing.
        "6rriTRBi23WpRR/wtup+mA==",
        "",
    ] {
        let error = client
            .verify(format!("v={signature}").as_bytes())
            .unwrap_err();
        assert!(
            error.to_string().contains("does not know the password"),
            "{error}"
        );
    }
    let error = client.verify(b"e=invalid-proof").unwrap_err();
    assert!(error.to_string().contains("invalid-proof"), "{error}");
    assert!(client.verify(b"").is_err());
    assert!(client.verify(b"v=*").is_err());
}

#[test]
fn a_nonce_must_go_on_from_ours() {
    for nonce in ["", "rOprNGfwEbeRWgbNEkqO", "rOprNGfwEbeRWgbNEkqo-more", "x"] {
        let told = refused(&format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
        assert!(told.contains("does not go on from ours"), "{nonce}: {told}");
    }
}

#[test]
fn iterations_are_bounded_both_ways() {
    let challenge = |iterations: &str| format!("r={NONCE}x,s=AAAA,i={iterations}");
    for iterations in ["0", "1", "4095", "1000001", "4294967295"] {
        let told = refused(&challenge(iterations));
        assert!(told.contains("4096 to 1000000"), "{iterations}: {told}");
    }
    for iterations in ["", "-1", "4096.0", "4294967296", " 4096"] {
        let told = refused(&challenge(iterations));
        assert!(
            told.contains("bad number of iterations"),
            "{iterations}: {told}"
        );
    }
    assert!(answer(&challenge("4096")).is_ok());
}

#[test]
fn challenges_that_cannot_be_read() {
    for challenge in [
        "",
        "r=rOprNGfwEbeRWgbNEkqOx",
        "s=AAAA,r=rOprNGfwEbeRWgbNEkqOx,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=*,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO x,s=AAAA,i=4096",
        "m=must,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096",
        "e=other-error",
    ] {
        assert!(answer(challenge).is_err(), "{challenge}");
    }
    assert!(refused("e=other-error").contains("other-error"));
    assert!(ServerFirst::parse(&[0xff]).is_err());
    assert!(answer(&format!("{CHALLENGE},x=unknown")).is_ok());
}

/// RFC 4013, section 3.
#[test]
fn texts_are_prepared() {
    let prepared = |text: &str| prepared(text, "it");
    assert_eq!(prepared("I\u{ad}X").unwrap(), "IX");
    assert_eq!(prepared("user").unwrap(), "user");
    assert_eq!(prepared("USER").unwrap(), "USER");
    assert_eq!(prepared("\u{aa}").unwrap(), "a");
    assert_eq!(prepared("\u{2168}").unwrap(), "IX");
    assert!(prepared("\u{7}").is_err());
    assert!(prepared("\u{627}1").is_err());
    assert_eq!(prepared("결제").unwrap(), "결제");
}

#[test]
fn a_user_may_have_commas() {
    assert_eq!(sasl_name("a,b=c"), "a=2Cb=3Dc");
    let client = first(Hash::Sha256, "CN=a,O=b", "pencil");
    assert!(client.message().starts_with("n,,n=CN=3Da=2CO=3Db,r="));
}

#[test]
fn nonces_differ_and_are_printable() {
    let (one, other) = (nonce().unwrap(), nonce().unwrap());
    assert_ne!(one, other);
    assert!(
        one.bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b','),
        "{one}"
    );
}

/// A server as RFC 5802 has it, written from the other side: it has the keys, not the password.
fn honest_server(hash: Hash, password: &str, bare: &str, message: &str) -> Option<String> {
    let salted = hash.salted(password.as_bytes(), b"salt", 4096);
    let stored_key = hash.digest(&hash.hmac(&salted, b"Client Key"));
    let server_key = hash.hmac(&salted, b"Server Key");
    let (without_proof, proof) = message.split_once(",p=")?;
    let challenge = format!("r={NONCE}more,s={},i=4096", BASE64_STANDARD.encode(b"salt"));
    let signed = format!("{bare},{challenge},{without_proof}");
    let signature = hash.hmac(&stored_key, signed.as_bytes());
    let proof = BASE64_STANDARD.decode(proof).ok()?;
    let key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    let known = hash.digest(&key) == stored_key;
    let signature = hash.hmac(&server_key, signed.as_bytes());
    known.then(|| format!("v={}", BASE64_STANDARD.encode(signature)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn both_sides_agree_on_the_right_password_alone(
        password in "[ -~가-힣]{1,20}", other in "[ -~]{1,20}", sha_512: bool,
    ) {
        let hash = if sha_512 { Hash::Sha512 } else { Hash::Sha256 };
        let client = first(hash, "user", &password);
        let bare = client.bare.clone();
        let challenge = format!("r={NONCE}more,s={},i=4096", BASE64_STANDARD.encode(b"salt"));
        let client = client.answer(challenge.as_bytes()).unwrap();
        let last = honest_server(hash, &password, &bare, client.message());
        prop_assert_eq!(client.verify(last.unwrap().as_bytes()), Ok(()));
        if other != password {
            prop_assert_eq!(honest_server(hash, &other, &bare, client.message()), None);
        }
    }

    #[test]
    fn no_message_of_a_server_is_too_odd(message: Vec<u8>, text in "[rsivem=,0-9A-Z]{0,40}") {
        let _ = (ServerFirst::parse(&message), ServerFinal::parse(&message));
        let _ = (ServerFirst::parse(text.as_bytes()), ServerFinal::parse(text.as_bytes()));
    }
}
