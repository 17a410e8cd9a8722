use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;
use crate::app::config::HealthConfig;

const MOMENT: Duration = Duration::from_secs(5);

fn health() -> HealthConfig {
    HealthConfig {
        answer_within: Duration::from_secs(1),
        stuck_after: Duration::from_secs(1),
    }
}

fn config(listen: Option<SocketAddr>) -> HttpConfig {
    HttpConfig {
        listen,
        max_connections: 4,
        timeout: Duration::from_secs(60),
    }
}

/// A site of a service that has not begun, and where it is served.
async fn served(config: impl FnOnce(HttpConfig) -> HttpConfig) -> (Listening, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = config(self::config(None));
    let listening = Listening {
        listener,
        site: Arc::new(Site::new(health())),
        max_connections: config.max_connections,
        time_limit: config.timeout,
    };
    (listening, address)
}

/// All that comes back for these bytes, up to the end of the connection.
async fn answer_to(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has read enough may have closed it by then.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = timeout(MOMENT, stream.read_to_end(&mut answer))
        .await
        .expect("an end of the connection");
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    answer_to(address, request.as_bytes()).await
}

#[tokio::test]
async fn each_request_has_its_status_its_type_and_a_connection_of_its_own() {
    let (listening, address) = served(|config| config).await;
    let (_stop, stopped) = oneshot::channel();
    let server = tokio::spawn(listening.run(stopped));
    for (path, status, kind) in [
        ("/healthz", "200 OK", "application/json"),
        ("/healthz?verbose=1", "200 OK", "application/json"),
        ("/readyz", "503 Service Unavailable", "application/json"),
        ("/metrics", "200 OK", "application/openmetrics-text"),
        ("/", "404 Not Found", "text/plain"),
        ("/metrics/", "404 Not Found", "text/plain"),
    ] {
        let answer = get(address, path).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answer}"
        );
        assert!(
            answer.contains(&format!("content-type: {kind}")),
            "{answer}"
        );
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    let head = answer_to(address, b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let post = answer_to(address, b"POST /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        post.starts_with("HTTP/1.1 405") && post.contains("allow: GET, HEAD"),
        "{post}"
    );
    server.abort();
}

#[tokio::test]
async fn a_request_beyond_its_size_and_no_request_at_all_are_refused() {
    let (listening, address) = served(|config| config).await;
    let (_stop, stopped) = oneshot::channel();
    let server = tokio::spawn(listening.run(stopped));
    let long = "a".repeat(MAX_REQUEST_BYTES);
    for request in [
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}\r\n\r\n"),
        format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "A: b\r\n".repeat(MAX_HEADERS + 1)
        ),
        "\u{16}\u{3}\u{1} a handshake\r\n\r\n".to_owned(),
    ] {
        let answer = answer_to(address, request.as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    server.abort();
}

#[tokio::test]
async fn those_who_never_finish_their_request_keep_nobody_out() {
    let (listening, address) = served(|config| config).await;
    let (_stop, stopped) = oneshot::channel();
    let server = tokio::spawn(listening.run(stopped));
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /healthz HT").await.unwrap();
        slow.push(stream);
    }
    let asked = Instant::now();
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(asked.elapsed() < MOMENT);
    // The oldest had to go.
    let mut rest = Vec::new();
    let ended = timeout(MOMENT, slow[0].read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "its connection has ended");
    server.abort();
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends() {
    let (listening, address) = served(|config| HttpConfig {
        timeout: Duration::from_millis(50),
        ..config
    })
    .await;
    let (_stop, stopped) = oneshot::channel();
    let server = tokio::spawn(listening.run(stopped));
    let answer = answer_to(address, b"GET /healthz HTTP/1.1\r\nHost:").await;
    assert_eq!(answer, "");
    server.abort();
}

#[tokio::test]
async fn a_stop_ends_it_whoever_is_connected() {
    let (listening, address) = served(|config| config).await;
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(listening.run(stopped));
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET").await.unwrap();
    get(address, "/healthz").await;
    stop.send(()).unwrap();
    timeout(MOMENT, server).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let site = Arc::new(Site::new(health()));
    let error = Server::start(&config(Some(address)), site.clone()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::System);
    for word in [
        "http.listen",
        &address.to_string(),
        "in use",
        "--set http.listen=",
    ] {
        assert!(error.to_string().contains(word), "{error}");
    }
    let nowhere = Server::start(&config(None), site).await.unwrap();
    assert!(nowhere.is_none());
}
