//! TLS over a connected stream.

use std::io;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription as Alert, CertificateError as Wrong};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::net::connect::Stream;
use crate::tls::{TlsConfig, TlsError, check_cpu};
use crate::{Error, ErrorKind};

/// Agrees on TLS with the broker at `address` (`host:port`). Certificates and keys are read for
/// each connection, so that new ones need no restart.
///
/// # Errors
///
/// [`ErrorKind::Authentication`] where one side does not accept the other's certificate, or what
/// the configuration names can't be read.
///
/// # Cancel safety
///
/// When dropped, the stream is closed.
pub(crate) async fn handshake<S: Stream>(
    stream: S,
    address: &str,
    config: &TlsConfig,
    deadline: Instant,
) -> Result<TlsStream<S>, Error> {
    let shaking = async {
        let name = server_name(address)?;
        let connector = connector(config.clone()).await?;
        let shaken = connector.connect(name, stream).await;
        shaken
            .map_err(|error| broken(address, error))
            .map_err(maybe_no_tls)
    };
    let late = |_| {
        let text = format!(
            "{address}: no TLS handshake in time (is the port one with TLS: security.protocol?)"
        );
        Error::new(ErrorKind::Timeout, text)
    };
    tokio::time::timeout_at(deadline, shaking)
        .await
        .map_err(late)?
}

/// A Kafka broker that expects no TLS takes its first bytes for a length, and hangs up.
fn maybe_no_tls(error: Error) -> Error {
    match error.kind() {
        kind @ ErrorKind::Connection => {
            let text = format!("{error} (is the port one with TLS: security.protocol?)");
            Error::new(kind, text)
        }
        _ => error,
    }
}

/// Reads files, on a thread that may block.
async fn connector(config: TlsConfig) -> Result<TlsConnector, Error> {
    let read = move || {
        check_cpu()?;
        let mut config = config.client_config()?;
        // The configuration is for one connection: there is none to resume.
        config.resumption = rustls::client::Resumption::disabled();
        Ok::<_, TlsError>(config)
    };
    let read = tokio::task::spawn_blocking(read).await;
    let config = read
        .map_err(|error| Error::caused(ErrorKind::System, "reading certificates", error))?
        .map_err(|error| Error::caused(ErrorKind::Authentication, "TLS", error))?;
    Ok(TlsConnector::from(std::sync::Arc::new(config)))
}

fn server_name(address: &str) -> Result<ServerName<'static>, Error> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(|_| {
        let text = format!("{address}: no certificate can be for the name {host}");
        Error::new(ErrorKind::Usage, text)
    })
}

/// The error of a stream that can't be used any more: in TLS' words where TLS ended it. A server
/// that refuses our certificate says so only after the handshake, in TLS 1.3.
pub(super) fn broken(peer: &str, error: io::Error) -> Error {
    let told = error.get_ref().and_then(|inner| inner.downcast_ref());
    match told.and_then(explain) {
        Some((kind, why)) => Error::new(kind, format!("{peer}: {why}")),
        None => Error::caused(ErrorKind::Connection, peer, error),
    }
}

fn explain(error: &rustls::Error) -> Option<(ErrorKind, String)> {
    let authentication = |why| Some((ErrorKind::Authentication, why));
    let unsupported = |why| Some((ErrorKind::Unsupported, why));
    match error {
        rustls::Error::InvalidCertificate(wrong) => {
            authentication(format!("the broker's certificate {}", fault(wrong)))
        }
        rustls::Error::AlertReceived(alert) if is_refusal(*alert) => authentication(format!(
            "the broker refused the TLS handshake: {alert:?} (is our certificate one that it \
             trusts, or does it want one: ssl.certificate.location and ssl.key.location?)"
        )),
        rustls::Error::InvalidMessage(_) => unsupported(
            "it does not answer as TLS does (is security.protocol the port's?)".to_owned(),
        ),
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => {
            unsupported(format!("no TLS with it: {error}"))
        }
        _ => None,
    }
}

fn fault(wrong: &Wrong) -> String {
    match wrong {
        Wrong::UnknownIssuer => {
            "is from nobody whom we trust: ssl.ca.location names who is trusted".to_owned()
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => format!(
            "is for another host: {wrong} \
             (ssl.endpoint.identification.algorithm can turn this check off)"
        ),
        wrong => format!("can't be accepted: {wrong}"),
    }
}

/// The alerts by which a server says that it does not like who we are.
fn is_refusal(alert: Alert) -> bool {
    matches!(
        alert,
        Alert::AccessDenied
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRequired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::DecryptError
            | Alert::HandshakeFailure
            | Alert::NoCertificate
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate
    )
}

#[cfg(test)]
mod tests;
