//! Against the client's side, which is tried against the RFCs' own examples.

use proptest::prelude::*;

use super::*;
use crate::net::sasl::{Login, scram};
use crate::secret::Secret;

const NONCES: [&str; 2] = ["rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF"];

fn login(user: &str, password: &str) -> Login {
    Login {
        username: user.to_owned(),
        password: Secret::from(password),
    }
}

/// A whole conversation: what the client makes of it, if the server is content.
fn converse(hash: Hash, client: &Login, keys: &Keys) -> Option<Result<(), scram::ScramError>> {
    let first = scram::ClientFirst::new(hash, client, NONCES[0].to_owned()).unwrap();
    let read = ClientFirst::parse(first.message().as_bytes()).unwrap();
    assert_eq!(read.user, client.username);
    let challenge = read.challenge(keys, NONCES[1]);
    let last = first.answer(challenge.message.as_bytes()).unwrap();
    let verdict = challenge.verify(last.message().as_bytes())?;
    Some(last.verify(verdict.as_bytes()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn both_sides_agree_on_the_right_password_alone(
        user in "[ -~]{1,20}", password in "[ -~]{1,20}", other in "[ -~]{1,20}", sha_512: bool,
    ) {
        let hash = if sha_512 { Hash::Sha512 } else { Hash::Sha256 };
        let keys = Keys::new(hash, &password, b"salt");
        prop_assert_eq!(converse(hash, &login(&user, &password), &keys), Some(Ok(())));
        if other != password {
            prop_assert_eq!(converse(hash, &login(&user, &other), &keys), None);
        }
    }

    #[test]
    fn no_message_of_a_client_is_too_odd(message: Vec<u8>, text in "[ny,a=rp2C3D]{0,30}") {
        let keys = Keys { hash: Hash::Sha256, salt: vec![], stored_key: vec![], server_key: vec![] };
        let first = ClientFirst::parse(b"n,,n=user,r=x").unwrap();
        let challenge = first.challenge(&keys, "y");
        for message in [&message[..], text.as_bytes()] {
            let _ = ClientFirst::parse(message);
            prop_assert_eq!(challenge.verify(message), None);
        }
    }
}

#[test]
fn what_is_no_beginning() {
    for message in [
        "",
        "n,,",
        "n,,n=,r=x",
        "n,,n=user",
        "n,,n=user,r=",
        "p=tls-unique,,n=user,r=x",
        "n,a=other,n=user,r=x",
        "n,,m=must,n=user,r=x",
        "n,,n=a=2c,r=x",
        "n,,n=a=,r=x",
    ] {
        assert_eq!(ClientFirst::parse(message.as_bytes()), None, "{message}");
    }
    let read = |message: &str| ClientFirst::parse(message.as_bytes()).map(|it| it.user);
    assert_eq!(read("y,a=a=2Cb,n=a=2Cb,r=x,z=1").as_deref(), Some("a,b"));
}

#[test]
fn an_end_must_go_on_from_the_beginning() {
    let keys = Keys::new(Hash::Sha256, "pencil", b"salt");
    let client = login("user", "pencil");
    let first = scram::ClientFirst::new(Hash::Sha256, &client, NONCES[0].to_owned()).unwrap();
    let read = ClientFirst::parse(first.message().as_bytes()).unwrap();
    let challenge = read.challenge(&keys, NONCES[1]);
    let last = first.answer(challenge.message.as_bytes()).unwrap();
    let last = last.message().to_owned();
    assert!(challenge.verify(last.as_bytes()).is_some());
    for changed in [
        last.replace("c=biws", "c=eSws"),
        last.replace(NONCES[1], "other"),
        last.replace(",p=", ",x=1,p="),
        last.replace(",p=", ",q="),
        last[..last.len() - 8].to_owned(),
        format!("{last}AAAA"),
    ] {
        assert_eq!(challenge.verify(changed.as_bytes()), None, "{changed}");
    }
}

#[test]
fn keys_are_not_shown() {
    let keys = Keys::new(Hash::Sha256, "pencil", b"salt");
    assert_eq!(format!("{keys:?}"), "Keys(Sha256)");
}
