//! Clients by each listener.

use std::path::PathBuf;

use super::*;
use crate::broker::{Broker, BrokerConfig};
use crate::net::Security;
use crate::tls::{Identity, Pem, TlsConfig, Versions};
use crate::{Client, ClientConfig};

fn file(name: &str) -> Pem {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Pem::File(root.join("tests/fixtures/tls").join(name))
}

fn identity(certificate: &str) -> Identity {
    Identity {
        certificate: file(certificate),
        key: file("p256-key.pem"),
    }
}

fn listener(name: &str, clients: Option<Pem>, certificate: &str) -> Listener {
    let tls = ServerTls {
        identity: identity(certificate),
        clients,
        versions: Versions::All,
    };
    Listener {
        name: name.to_owned(),
        tls: Some(tls.into()),
        sasl: false,
    }
}

fn config() -> BrokerConfig {
    BrokerConfig {
        nodes: 2,
        listeners: vec![
            Listener::default(),
            listener("tls", None, "server.pem"),
            listener("mtls", Some(file("ca.pem")), "server.pem"),
        ],
        ..BrokerConfig::default()
    }
}

fn client(broker: &Broker, listener: &str, identity: Option<Identity>) -> ClientConfig {
    let servers = broker.bootstrap_servers_of(listener).unwrap();
    let tls = TlsConfig {
        trusted: Some(file("ca.pem")),
        identity,
        ..TlsConfig::default()
    };
    ClientConfig {
        bootstrap_servers: servers.split(',').map(str::to_owned).collect(),
        security: Security {
            tls: (listener != "plaintext").then_some(tls),
            sasl: None,
        },
        ..broker.in_memory_client_config()
    }
}

#[tokio::test]
async fn clients_are_told_the_addresses_of_their_own_listener() {
    let broker = Broker::start(config()).await.unwrap();
    assert_eq!(broker.bootstrap_servers_of("no such"), None);
    for name in ["plaintext", "tls", "mtls"] {
        let config = client(&broker, name, Some(identity("client-p256.pem")));
        let mut expected = config.bootstrap_servers.clone();
        let client = Client::connect(config).await.unwrap();
        let mut told: Vec<_> = addresses(&client).await;
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "{name}");
    }
}

async fn addresses(client: &Client) -> Vec<String> {
    use kafka_protocol::messages::MetadataRequest;

    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let channel = client.channel();
    let connection = channel
        .connection(crate::cluster::Node::Any, deadline)
        .await
        .unwrap();
    let answer = connection.call(&MetadataRequest::default(), deadline).await;
    let brokers = answer.unwrap().brokers.into_iter();
    brokers
        .map(|broker| format!("{}:{}", broker.host, broker.port))
        .collect()
}

#[tokio::test]
async fn whoever_has_no_certificate_is_not_let_in() {
    let broker = Broker::start(config()).await.unwrap();
    for stranger in [None, Some(identity("other-client.pem"))] {
        let refused = Client::connect(client(&broker, "mtls", stranger)).await;
        let error = refused.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    }
}

#[tokio::test]
async fn settings_that_can_t_be_are_refused() {
    for listeners in [vec![], vec![listener("tls", None, "no-such.pem")]] {
        let config = BrokerConfig {
            listeners,
            ..BrokerConfig::default()
        };
        let error = Broker::start(config).await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
}
