//! What a configuration may name, and what is said of what it may not.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::secret::Secret;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/tls")
        .join(name)
}

fn file(name: &str) -> Pem {
    Pem::File(fixture(name))
}

fn text(name: &str) -> Pem {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    Pem::Text(Secret::from(text))
}

fn identity(certificate: &str, key: &str) -> TlsConfig {
    TlsConfig {
        identity: Some(Identity {
            certificate: file(certificate),
            key: file(key),
        }),
        ..TlsConfig::default()
    }
}

fn trusting(trusted: Pem) -> TlsConfig {
    TlsConfig {
        trusted: Some(trusted),
        ..TlsConfig::default()
    }
}

fn refused(config: &TlsConfig) -> (Part, String) {
    let error = config.client_config().expect_err("an error");
    (error.part(), error.to_string())
}

#[test]
fn every_kind_and_form_of_key_is_read() {
    for (certificate, key) in [
        ("client-rsa.pem", "rsa-key.pem"),
        ("client-rsa.pem", "rsa-key-pkcs1.pem"),
        ("client-p256.pem", "p256-key.pem"),
        ("client-p256.pem", "p256-key-sec1.pem"),
        ("client-p384.pem", "p384-key.pem"),
        ("client-ed25519.pem", "ed25519-key.pem"),
        ("client-both.pem", "client-both.pem"),
    ] {
        let read = identity(certificate, key).client_config();
        assert!(read.is_ok(), "{key}: {:?}", read.err());
    }
}

#[test]
fn what_can_t_be_a_key_is_told_with_the_reason() {
    for (certificate, key, why) in [
        ("client-rsa.pem", "encrypted-key-pkcs8.pem", "is encrypted"),
        ("client-rsa.pem", "encrypted-key-pkcs1.pem", "is encrypted"),
        (
            "client-p521.pem",
            "p521-key.pem",
            "of a kind that isn't supported",
        ),
        (
            "client-rsa.pem",
            "p256-key.pem",
            "not the key of the certificate in",
        ),
        ("client-rsa.pem", "ca.pem", "holds no private key"),
        (
            "client-rsa.pem",
            "nowhere.pem",
            "can't be read: No such file",
        ),
    ] {
        let (part, told) = refused(&identity(certificate, key));
        assert_eq!(part, Part::Key, "{told}");
        assert!(told.contains(why) && told.contains(key), "{told}");
    }
}

#[test]
fn what_can_t_be_a_certificate_is_told_with_the_reason() {
    let (part, told) = refused(&identity("rsa-key.pem", "rsa-key.pem"));
    assert_eq!(part, Part::Certificate);
    assert!(
        told.contains("rsa-key.pem: it holds no certificate"),
        "{told}"
    );

    let binary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(binary.path(), [0x30, 0x82, 0xff]).unwrap();
    let (part, told) = refused(&trusting(Pem::File(binary.path().to_owned())));
    assert_eq!(part, Part::Trusted);
    assert!(told.contains("it is not PEM"), "{told}");

    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (_, told) = refused(&trusting(Pem::Text(Secret::from(hollow))));
    assert!(
        told.contains("none of its certificates can be read"),
        "{told}"
    );
}

#[test]
fn no_error_quotes_a_damaged_key() {
    for key in [
        "-----BEGIN PRIVATE KEY-----\nhunter2*\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n",
        "-----BEGIN hunter2\n",
        "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n",
    ] {
        let config = TlsConfig {
            identity: Some(Identity {
                certificate: file("client-rsa.pem"),
                key: Pem::Text(Secret::from(key)),
            }),
            ..TlsConfig::default()
        };
        let (part, told) = refused(&config);
        assert_eq!(part, Part::Key);
        assert!(!told.contains("hunter2"), "{told}");
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    }
}

#[test]
fn text_will_do_with_and_without_its_line_breaks() {
    let one_line = |pem: Pem| match pem {
        Pem::Text(text) => Pem::Text(Secret::from(text.expose().replace('\n', " "))),
        file => file,
    };
    for form in [|pem| pem, one_line] {
        let config = TlsConfig {
            trusted: Some(form(text("ca.pem"))),
            identity: Some(Identity {
                certificate: form(text("client-rsa.pem")),
                key: form(text("rsa-key-pkcs1.pem")),
            }),
            check_name: false,
        };
        assert!(
            config.client_config().is_ok(),
            "{:?}",
            config.client_config().err()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_answered(text in "(-----(BEGIN|END) (CERTIFICATE|PRIVATE KEY)-----|[A-Za-z0-9+/=\n -]{0,8}){0,8}") {
        let pem = || Pem::Text(Secret::from(text.as_str()));
        let config = TlsConfig {
            trusted: Some(pem()),
            identity: Some(Identity {
                certificate: file("client-rsa.pem"),
                key: pem(),
            }),
            check_name: true,
        };
        prop_assert!(config.client_config().is_err());
    }
}
