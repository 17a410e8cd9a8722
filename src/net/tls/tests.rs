//! Handshakes with servers that are in order, and with others.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls::{Identity, Pem};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/tls")
        .join(name)
}

/// How a server differs from one that is in order.
struct Server {
    certificate: &'static str,
    asks_for_certificate: bool,
    versions: &'static [&'static SupportedProtocolVersion],
}

const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

const IN_ORDER: Server = Server {
    certificate: "server.pem",
    asks_for_certificate: false,
    versions: rustls::ALL_VERSIONS,
};

impl Server {
    fn config(&self) -> ServerConfig {
        let provider = Arc::new(rustls_graviola::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = if self.asks_for_certificate {
            let mut roots = RootCertStore::empty();
            let ca = CertificateDer::from_pem_file(fixture("ca.pem")).unwrap();
            roots.add(ca).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let certificate = CertificateDer::from_pem_file(fixture(self.certificate)).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture("p256-key.pem")).unwrap();
        builder.with_single_cert(vec![certificate], key).unwrap()
    }

    /// Listens at the other end, and sends back what comes.
    fn start(&self) -> DuplexStream {
        let (ours, theirs) = duplex(1 << 16);
        let acceptor = TlsAcceptor::from(Arc::new(self.config()));
        tokio::spawn(async move {
            let mut stream = acceptor.accept(theirs).await?;
            let mut bytes = [0; 64];
            while let read @ 1.. = stream.read(&mut bytes).await? {
                stream.write_all(&bytes[..read]).await?;
                stream.flush().await?;
            }
            io::Result::Ok(())
        });
        ours
    }
}

fn trusting(ca: &str) -> TlsConfig {
    TlsConfig {
        trusted: Some(Pem::File(fixture(ca))),
        ..TlsConfig::default()
    }
}

fn with_identity(certificate: &str, key: &str) -> TlsConfig {
    TlsConfig {
        identity: Some(Identity {
            certificate: Pem::File(fixture(certificate)),
            key: Pem::File(fixture(key)),
        }),
        ..trusting("ca.pem")
    }
}

/// Shakes hands and sends something there and back: a server of TLS 1.3 that refuses us says so
/// after the handshake.
async fn talk_to(stream: impl Stream, address: &str, config: &TlsConfig) -> Result<(), Error> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut stream = handshake(stream, address, config, deadline).await?;
    let mut answer = [0; 5];
    let talk = async {
        stream.write_all(b"hello").await?;
        stream.flush().await?;
        stream.read_exact(&mut answer).await
    };
    talk.await.map_err(|error| broken(address, error))?;
    assert_eq!(&answer, b"hello");
    Ok(())
}

async fn refused(server: &Server, address: &str, config: &TlsConfig) -> String {
    let talked = talk_to(server.start(), address, config).await;
    let error = talked.expect_err("an error");
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(!error.is_retriable());
    assert!(error.to_string().starts_with(address), "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_server_in_order_is_talked_to_in_each_version() {
    for versions in [rustls::ALL_VERSIONS, TLS12, TLS13] {
        let server = Server {
            versions,
            ..IN_ORDER
        };
        for address in ["localhost:9093", "127.0.0.1:9093"] {
            let talked = talk_to(server.start(), address, &trusting("ca.pem")).await;
            assert!(talked.is_ok(), "{address}: {talked:?}");
        }
    }
}

#[tokio::test]
async fn servers_that_are_not_who_they_say_are_refused() {
    let (ca, other) = (trusting("ca.pem"), trusting("other-ca.pem"));
    let told = refused(&IN_ORDER, "localhost:9093", &other).await;
    assert!(told.contains("nobody whom we trust"), "{told}");

    let expired = Server {
        certificate: "expired.pem",
        ..IN_ORDER
    };
    let told = refused(&expired, "localhost:9093", &ca).await;
    assert!(told.contains("expired"), "{told}");

    let elsewhere = Server {
        certificate: "elsewhere.pem",
        ..IN_ORDER
    };
    let told = refused(&elsewhere, "localhost:9093", &ca).await;
    assert!(
        told.contains("for another host") && told.contains("elsewhere.example"),
        "{told}"
    );
    refused(&IN_ORDER, "[::1]:9093", &ca).await;
}

#[tokio::test]
async fn without_the_check_of_the_name_the_rest_is_still_checked() {
    let unnamed = |ca| TlsConfig {
        check_name: false,
        ..trusting(ca)
    };
    let elsewhere = Server {
        certificate: "elsewhere.pem",
        ..IN_ORDER
    };
    for versions in [TLS12, TLS13] {
        let elsewhere = Server {
            versions,
            ..elsewhere
        };
        let talked = talk_to(elsewhere.start(), "localhost:9093", &unnamed("ca.pem")).await;
        assert!(talked.is_ok(), "{talked:?}");
    }
    refused(&elsewhere, "localhost:9093", &unnamed("other-ca.pem")).await;
    let expired = Server {
        certificate: "expired.pem",
        ..IN_ORDER
    };
    refused(&expired, "localhost:9093", &unnamed("ca.pem")).await;
}

#[tokio::test]
async fn a_server_may_ask_who_we_are() {
    for versions in [TLS12, TLS13] {
        let server = Server {
            asks_for_certificate: true,
            versions,
            ..IN_ORDER
        };
        for (certificate, key) in [
            ("client-rsa.pem", "rsa-key-pkcs1.pem"),
            ("client-p256.pem", "p256-key-sec1.pem"),
            ("client-p384.pem", "p384-key.pem"),
            ("client-both.pem", "client-both.pem"),
        ] {
            let config = with_identity(certificate, key);
            let talked = talk_to(server.start(), "localhost:9093", &config).await;
            assert!(talked.is_ok(), "{key}: {talked:?}");
        }
        let told = refused(&server, "localhost:9093", &trusting("ca.pem")).await;
        assert!(told.contains("ssl.certificate.location"), "{told}");
    }
}

#[tokio::test]
async fn certificates_are_read_for_each_connection() {
    let ca = tempfile::NamedTempFile::new().unwrap();
    let config = TlsConfig {
        trusted: Some(Pem::File(ca.path().to_owned())),
        ..TlsConfig::default()
    };
    std::fs::copy(fixture("other-ca.pem"), ca.path()).unwrap();
    refused(&IN_ORDER, "localhost:9093", &config).await;
    std::fs::copy(fixture("ca.pem"), ca.path()).unwrap();
    assert!(
        talk_to(IN_ORDER.start(), "localhost:9093", &config)
            .await
            .is_ok()
    );
    std::fs::remove_file(ca.path()).unwrap();
    let gone = talk_to(IN_ORDER.start(), "localhost:9093", &config).await;
    assert!(gone.unwrap_err().to_string().contains("can't be read"));
}

#[tokio::test]
async fn a_peer_without_tls_is_told() {
    let (ours, mut theirs) = duplex(1 << 16);
    theirs
        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    let error = talk_to(ours, "localhost:9092", &trusting("ca.pem"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("security.protocol"), "{error}");

    let (ours, theirs) = duplex(1 << 16);
    drop(theirs);
    let error = talk_to(ours, "localhost:9092", &trusting("ca.pem"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_costs_no_more_than_the_deadline() {
    let (ours, _theirs) = duplex(1 << 16);
    let error = talk_to(ours, "localhost:9092", &trusting("ca.pem"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}
