//! TLS and logins: what is needed, what is tried before anything connects.

use std::io::Write;
use std::path::PathBuf;

use super::{Sources, needed};
use crate::net::sasl::{Hash, Sasl};
use crate::secret::SecretSource;
use crate::tls::Pem;

fn fixture(name: &str) -> String {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/");
    format!("{fixtures}{name}")
}

fn tls() -> Sources {
    needed()
        .set("kafka.security.protocol", "ssl")
        .set("kafka.ssl.ca.location", &fixture("ca.pem"))
}

fn sasl(mechanism: &str) -> Sources {
    needed()
        .set("kafka.security.protocol", "SASL_PLAINTEXT")
        .set("kafka.sasl.mechanism", mechanism)
}

fn secret_file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn without_any_of_it_there_is_none() {
    let config = needed().config();
    assert_eq!(config.security.protocol(), "PLAINTEXT");
}

#[test]
fn tls_reads_what_it_is_told() {
    let security = tls()
        .set("kafka.ssl.certificate.location", &fixture("client-rsa.pem"))
        .set("kafka.ssl.key.location", &fixture("rsa-key.pem"))
        .set("kafka.ssl.endpoint.identification.algorithm", "")
        .config()
        .security;
    assert_eq!(security.protocol(), "SSL");
    let tls = security.tls.unwrap();
    assert_eq!(
        tls.trusted,
        Some(Pem::File(PathBuf::from(fixture("ca.pem"))))
    );
    assert!(tls.identity.is_some() && !tls.check_name);
    assert!(nothing_but_ssl().config().security.tls.unwrap().check_name);
}

/// The system's certificates will do.
fn nothing_but_ssl() -> Sources {
    needed().set("kafka.security.protocol", "SSL")
}

#[test]
fn what_tls_cannot_use_is_told_at_its_key() {
    let with = |certificate: &str, key: &str| {
        tls()
            .set("kafka.ssl.certificate.location", &fixture(certificate))
            .set("kafka.ssl.key.location", &fixture(key))
            .problems()
            .remove(0)
    };
    let told = with("client-rsa.pem", "encrypted-key-pkcs8.pem");
    assert!(told.starts_with("--set kafka.ssl.key.location: "), "{told}");
    assert!(told.contains("is encrypted"), "{told}");
    let told = with("rsa-key.pem", "rsa-key.pem");
    assert!(
        told.starts_with("--set kafka.ssl.certificate.location: "),
        "{told}"
    );
    let told = nothing_but_ssl()
        .variable("NOTIFIER_KAFKA_SSL_CA_PEM", "hunter2")
        .problems()
        .remove(0);
    assert!(
        told.starts_with("NOTIFIER_KAFKA_SSL_CA_PEM: the PEM text: "),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
    let alone = tls().set("kafka.ssl.key.location", &fixture("rsa-key.pem"));
    let told = alone.problems().remove(0);
    assert!(
        told.contains("kafka.ssl.certificate.location: is missing"),
        "{told}"
    );
    let both = tls().set("kafka.ssl.ca.pem", "x").problems().remove(0);
    assert!(both.contains("and so is kafka.ssl.ca.pem"), "{both}");
}

#[tokio::test]
async fn a_login_has_a_user_and_a_password() {
    let file = secret_file(" hunter2 \n");
    let security = sasl("scram-sha-512")
        .set("kafka.sasl.username", "alice")
        .set("kafka.sasl.password_file", file.path().to_str().unwrap())
        .config()
        .security;
    let Some(Sasl::Scram(Hash::Sha512, login)) = security.sasl else {
        panic!("{security:?}");
    };
    assert_eq!(login.username, "alice");
    // The spaces are the password's, the line's end is the editor's.
    let password = login.password.read().await.unwrap();
    assert_eq!(password.expose(), " hunter2 ");
    // It may change.
    let its_file = SecretSource::File(file.path().to_owned());
    assert_eq!(login.password, its_file);
    assert_eq!(
        sasl("PLAIN").problems(),
        [
            "kafka.sasl.password: is missing: kafka.security.protocol asks for a login; \
             set it, or sasl.password_file",
            "kafka.sasl.username: is missing: kafka.security.protocol asks for a login; set it",
        ]
    );
    let told = needed()
        .set("kafka.security.protocol", "SASL_SSL")
        .problems();
    assert!(
        told[0].starts_with("kafka.sasl.mechanism: is missing"),
        "{told:?}"
    );
    let told = sasl("GSSAPI").problems();
    assert!(
        told[0].contains("`GSSAPI` is not known: write `PLAIN` or"),
        "{told:?}"
    );
}

#[test]
fn tokens_come_from_one_place() {
    let key = |name: &str| format!("kafka.sasl.oauthbearer.{name}");
    let file = sasl("OAUTHBEARER").set(&key("token_file"), "/run/token");
    assert!(matches!(
        file.config().security.sasl,
        Some(Sasl::OauthBearer(_))
    ));
    let both = file.set(&key("token_command"), "print-token");
    assert!(both.problems()[0].contains("more than one is set"));
    let url = "https://login.example.com/token";
    let service = sasl("OAUTHBEARER").set(&key("token.endpoint.url"), url);
    assert!(service.problems()[0].starts_with("kafka.sasl.oauthbearer.client.id: is missing"));
    let complete = service
        .set(&key("client.id"), "notifier")
        .set(&key("client.secret"), "hunter2")
        .set(&key("extensions"), "logicalCluster=lkc-1,a=b=c")
        .load()
        .unwrap();
    assert!(!format!("{:?}", complete.config).contains("hunter2"));
    let extensions = &complete.config.kafka.sasl_oauthbearer_extensions;
    assert_eq!(extensions[1], ("a".to_owned(), "b=c".to_owned()));
    for wrong in ["auth=x", "a b=c", "x"] {
        let problems = sasl("OAUTHBEARER")
            .set(&key("extensions"), wrong)
            .problems();
        assert!(problems[0].contains("is no extension"), "{problems:?}");
    }
}

#[test]
fn a_password_that_nobody_asks_for_is_warned_of() {
    let warnings = needed()
        .variable("NOTIFIER_KAFKA_SASL_PASSWORD", "hunter2")
        .load()
        .unwrap()
        .warnings;
    assert_eq!(
        warnings,
        ["kafka.sasl.password: not used, as kafka.security.protocol stands"]
    );
}

#[test]
fn no_secret_is_shown() {
    let loaded = sasl("PLAIN")
        .set("kafka.sasl.username", "alice")
        .set("kafka.sasl.password", "hunter2")
        .load()
        .unwrap();
    for text in [
        format!("{:?}", loaded.config),
        loaded.effective(),
        loaded.warnings.join("\n"),
    ] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(
        loaded.warnings[0].contains("use sasl.password_file"),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn credentials_of_systemd_are_found_by_the_name_of_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    put("telegram.token", "1:from-systemd\n");
    put("kafka.sasl.password", "hunter2");
    put("unrelated", "x");
    let environment = [("CREDENTIALS_DIRECTORY".into(), directory.path().into())];
    let mut sources = Sources::gather(None, environment, Vec::new())
        .file("[telegram]\nchat_id = 1\n[kafka]\nsasl.username = \"alice\"")
        .set("kafka.security.protocol", "SASL_PLAINTEXT")
        .set("kafka.sasl.mechanism", "PLAIN");
    let loaded = sources.load().unwrap();
    assert_eq!(loaded.config.bot.token.expose(), "1:from-systemd");
    let Some(Sasl::Plain(login)) = &loaded.config.security.sasl else {
        panic!("a login");
    };
    let its_file = directory.path().join("kafka.sasl.password");
    assert_eq!(login.password, SecretSource::File(its_file));
    let shown = loaded.effective();
    assert!(shown.contains("credential kafka.sasl.password"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    sources = sources.variable("NOTIFIER_TELEGRAM_TOKEN", "1:over");
    assert_eq!(sources.config().bot.token.expose(), "1:over");
}
