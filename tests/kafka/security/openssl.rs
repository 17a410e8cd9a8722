//! Servers whose TLS is OpenSSL's, of one version alone.

use payment_notifier::consumer::ConsumerConfig;
use payment_notifier::net::Security;
use payment_notifier::producer::{ProducerConfig, ProducerRecord};
use payment_notifier::tls::{Identity, Pem, TlsConfig};
use payment_notifier::{Client, ClientConfig, Error, ErrorKind, Producer};

use crate::support::cluster::Cluster;
use crate::support::openssl::through_openssl;
use crate::support::ours::consume_by;
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::tls::fixture;

pub(crate) const TESTS: &[Test] = tests![
    a_server_of_tls_1_2_alone(Cluster, OpenSsl),
    a_server_of_tls_1_3_alone(Cluster, OpenSsl),
    a_server_that_wants_a_certificate(Cluster, OpenSsl),
    a_server_of_tls_1_1_alone(Cluster, OpenSsl),
];

/// Connects through OpenSSL, with a certificate of ours if it has a name.
async fn connect(
    cluster: &Cluster,
    options: &'static [&'static str],
    certificate: Option<&str>,
) -> Result<Client, Error> {
    let pem = |name: &str| Pem::File(fixture(name));
    let identity = certificate.map(|name| Identity {
        certificate: pem(name),
        key: pem("p256-key.pem"),
    });
    let tls = TlsConfig {
        trusted: Some(pem("ca.pem")),
        identity,
        check_name: true,
    };
    let config = ClientConfig {
        bootstrap_servers: vec![cluster.bootstrap().to_owned()],
        security: Security {
            tls: Some(tls),
            sasl: None,
        },
        connector: through_openssl(options),
        ..ClientConfig::default()
    };
    Client::connect(config).await
}

/// A producer, and a consumer in a group. The records are larger than a record of TLS is.
async fn all_of_it_works(cluster: &Cluster, client: &Client) {
    let topic = cluster.unique("openssl");
    cluster.create_topic(&topic, 1, &[]).await;
    // By then its broker knows of it.
    cluster.leader(&topic, 0).await;
    let producer = Producer::new(client, ProducerConfig::default());
    let texts: Vec<_> = (0..3).map(|n| format!("{n} ").repeat(50_000)).collect();
    for text in &texts {
        let record = ProducerRecord::new(topic.as_str(), None, Some(text.as_bytes()));
        let delivery = producer.send(&record).await.expect("a topic in order");
        delivery.await.expect("the broker takes it");
    }
    let config = ConsumerConfig {
        group_id: cluster.unique("openssl-group"),
        ..ConsumerConfig::default()
    };
    let records = consume_by(client, &topic, texts.len(), config).await;
    let read: Vec<_> = records.iter().map(Record::text).collect();
    assert!(read == texts, "{read:?}");
}

async fn a_server_of_tls_1_2_alone() {
    let cluster = Cluster::shared().await;
    let client = connect(cluster, &["-tls1_2"], None).await;
    all_of_it_works(cluster, &client.expect("TLS 1.2")).await;
}

async fn a_server_of_tls_1_3_alone() {
    let cluster = Cluster::shared().await;
    let client = connect(cluster, &["-tls1_3"], None).await;
    all_of_it_works(cluster, &client.expect("TLS 1.3")).await;
}

async fn a_server_that_wants_a_certificate() {
    let cluster = Cluster::shared().await;
    let with: [&'static [&'static str]; 2] = [
        &["-tls1_2", "-Verify", "1", "-verify_return_error"],
        &["-tls1_3", "-Verify", "1", "-verify_return_error"],
    ];
    for options in with {
        let client = connect(cluster, options, Some("client-p256.pem")).await;
        all_of_it_works(cluster, &client.expect("a handshake")).await;
        for certificate in [None, Some("other-client.pem")] {
            let refused = connect(cluster, options, certificate).await;
            let error = refused.expect_err("nobody whom it trusts");
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
            let told = error.to_string();
            assert!(told.contains("refused the TLS handshake"), "{told}");
        }
    }
}

/// Nobody should speak it any more.
async fn a_server_of_tls_1_1_alone() {
    let cluster = Cluster::shared().await;
    let options = &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let error = connect(cluster, options, None).await.expect_err("TLS 1.1");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("no TLS with it"), "{error}");
}
