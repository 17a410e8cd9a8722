//! TLS by OpenSSL in front of a cluster's plaintext listener: `openssl s_server`, one for each
//! connection.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use payment_notifier::net::{Connect, Connector, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};

use super::tls::fixture;

/// Why OpenSSL can't be had, if it can't.
pub(crate) fn missing() -> Option<String> {
    let version = std::process::Command::new("openssl")
        .arg("version")
        .output();
    let has_it = version.is_ok_and(|output| output.status.success());
    (!has_it).then(|| "there is no openssl on PATH".to_owned())
}

/// Connects by way of an `openssl s_server` with these further options, which has the fixtures'
/// server certificate.
pub(crate) fn through_openssl(options: &'static [&'static str]) -> Connector {
    Connector::new(Arc::new(ThroughOpenssl(options)))
}

#[derive(Debug)]
struct ThroughOpenssl(&'static [&'static str]);

impl Connect for ThroughOpenssl {
    fn connect(&self, address: String) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let options = self.0;
        async move {
            let directory = tempfile::tempdir()?;
            let path = directory.path().join("socket");
            let server = s_server(&path, options)?;
            let client = connected(&path).await?;
            let broker = TcpStream::connect(address).await?;
            // The directory may go: the socket is open at both ends.
            tokio::spawn(carry(server, broker));
            Ok(Box::new(client) as Box<dyn Stream>)
        }
        .boxed()
    }
}

/// What it decrypts goes to its standard output, and what comes to its standard input is encrypted.
fn s_server(socket: &Path, options: &[&str]) -> io::Result<Child> {
    Command::new("openssl")
        .args(["s_server", "-quiet", "-naccept", "1", "-unix"])
        .arg(socket)
        .arg("-cert")
        .arg(fixture("server.pem"))
        .arg("-key")
        .arg(fixture("p256-key.pem"))
        .arg("-CAfile")
        .arg(fixture("ca.pem"))
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

/// It does not say when it listens, where it is to write nothing but what it decrypts.
async fn connected(socket: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(socket).await {
            Err(error) if is_early(&error) => tokio::time::sleep(Duration::from_millis(5)).await,
            connected => return connected,
        }
    }
}

fn is_early(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error.kind(), ConnectionRefused | NotFound)
}

/// Until either side ends. Dropping the child ends OpenSSL.
async fn carry(mut server: Child, broker: TcpStream) {
    let (Some(mut stdin), Some(mut stdout)) = (server.stdin.take(), server.stdout.take()) else {
        return;
    };
    let (mut answers, mut requests) = broker.into_split();
    tokio::select! {
        _ = pass_on(&mut stdout, &mut requests) => {}
        _ = pass_on(&mut answers, &mut stdin) => {}
    }
}

async fn pass_on(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
) -> io::Result<()> {
    tokio::io::copy(from, to).await.map(|_| ())
}
