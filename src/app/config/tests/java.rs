//! A Java client's properties file, as it is.

use std::io::Write;

use super::{Sources, needed};
use crate::net::sasl::{Hash, Sasl};
use crate::secret::SecretSource;

fn file(text: &str) -> (tempfile::NamedTempFile, Sources) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let sources = needed().set("kafka.properties_file", file.path().to_str().unwrap());
    (file, sources)
}

fn fixture(name: &str) -> String {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/");
    std::fs::read_to_string(format!("{fixtures}{name}")).unwrap()
}

const SCRAM: &str = "\
bootstrap.servers=a:1,b:2
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-256
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\
   username=\"alice\" password=\"hunter2\";
ssl.endpoint.identification.algorithm=
group.id=payments
session.timeout.ms=30000
key.deserializer=org.apache.kafka.common.serialization.StringDeserializer
acks=all
";

#[test]
fn a_login_is_taken_from_its_jaas_line() {
    let (file, sources) = file(SCRAM);
    let loaded = sources.load().unwrap();
    let security = &loaded.config.security;
    assert_eq!(security.protocol(), "SASL_SSL");
    let Some(Sasl::Scram(Hash::Sha256, login)) = &security.sasl else {
        panic!("{security:?}");
    };
    assert_eq!(login.username, "alice");
    assert_eq!(login.password, SecretSource::from("hunter2"));
    assert!(!security.tls.as_ref().unwrap().check_name);
    assert_eq!(loaded.config.kafka.bootstrap_servers.len(), 2);
    assert_eq!(loaded.config.consumer.group_id, "payments");
    assert_eq!(loaded.config.kafka.session_timeout.as_secs(), 30);
    let path = file.path().display();
    assert_eq!(
        loaded.warnings,
        [format!("{path}: not used: key.deserializer, acks")]
    );
    let shown = loaded.effective();
    assert!(shown.contains(&format!("# file {path}:1")), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_is_set_elsewhere_goes_before_it() {
    let (_file, sources) = file(SCRAM);
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "other").unwrap();
    let config = sources
        .file("[kafka]\nsasl.username = \"bob\"")
        .variable("NOTIFIER_CONSUMER_GROUP_ID", "ours")
        .set(
            "kafka.sasl.password_file",
            password.path().to_str().unwrap(),
        )
        .config();
    assert_eq!(config.consumer.group_id, "ours");
    let Some(Sasl::Scram(_, login)) = config.security.sasl else {
        panic!("a login");
    };
    assert_eq!(login.username, "bob");
    let its_file = SecretSource::File(password.path().to_owned());
    assert_eq!(login.password, its_file);
}

#[test]
fn pem_stores_are_understood_in_files_and_inline() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
    let (_file, sources) = file(&format!(
        "security.protocol=SSL\nssl.truststore.type=PEM\nssl.keystore.type=PEM\n\
         ssl.truststore.location={directory}/ca.pem\n\
         ssl.keystore.location={directory}/client-both.pem\n"
    ));
    assert!(sources.config().security.tls.unwrap().identity.is_some());

    let inline = |name: &str| fixture(name).replace('\n', " \\\n  ");
    let (_file, sources) = file(&format!(
        "security.protocol=SSL\nssl.truststore.type=PEM\nssl.keystore.type=PEM\n\
         ssl.truststore.certificates={}\nssl.keystore.certificate.chain={}\n\
         ssl.keystore.key={}\n",
        inline("ca.pem").trim_end_matches([' ', '\\', '\n']),
        inline("client-rsa.pem").trim_end_matches([' ', '\\', '\n']),
        inline("rsa-key.pem").trim_end_matches([' ', '\\', '\n']),
    ));
    assert!(sources.config().security.tls.unwrap().identity.is_some());
}

#[test]
fn tokens_are_asked_for_as_java_does() {
    let (_file, sources) = file(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n\
         sasl.oauthbearer.token.endpoint.url=https://login.example.com/token\n\
         sasl.jaas.config=a.OAuthBearerLoginModule required clientId='x' clientSecret='hunter2' \
         scope='kafka' extension_logicalCluster='lkc-1';\n",
    );
    let config = sources.config();
    assert!(matches!(config.security.sasl, Some(Sasl::OauthBearer(_))));
    let extension = ("logicalCluster".to_owned(), "lkc-1".to_owned());
    assert_eq!(config.kafka.sasl_oauthbearer_extensions, [extension]);
    assert_eq!(
        config.kafka.sasl_oauthbearer_scope.as_deref(),
        Some("kafka")
    );

    let (_file, sources) = file(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n\
         sasl.oauthbearer.token.endpoint.url=file:///run/token\n",
    );
    let path = sources.config().kafka.sasl_oauthbearer_token_file;
    assert_eq!(path.unwrap().to_str(), Some("/run/token"));
}

#[test]
fn what_is_not_understood_is_told_with_its_line() {
    for (text, why) in [
        (
            "a=1\nssl.truststore.type=JKS",
            ":2: ssl.truststore.type: JKS is not supported, PEM is",
        ),
        (
            "sasl.jaas.config=hunter2",
            ":1: sasl.jaas.config: can't be read",
        ),
        (
            "sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required;",
            "Krb5LoginModule is not supported",
        ),
        (
            "session.timeout.ms=x",
            ":1: kafka.session.timeout.ms: `x` is not a whole number",
        ),
        ("a=\\u12", ":1: a `\\u` needs four digits"),
    ] {
        let (_file, sources) = file(text);
        let problems = sources.problems();
        assert!(problems[0].contains(why), "{problems:?}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
    let nowhere = needed().set("kafka.properties_file", "/nowhere/client.properties");
    let problems = nowhere.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("/nowhere/client.properties: can't be read"));
}
