//! Connections that aren't made, or break off.

use tokio::net::TcpListener;

use super::stand_in::{forever, hang_up, say, socket};
use super::*;

/// The time of a request, half of which a connection may take: so long that whoever sees how long
/// something took may be a second late.
const LIMIT: Duration = Duration::from_secs(4);

fn within_limit(base_url: impl Into<String>) -> Telegram {
    Telegram::new(TelegramConfig {
        timeout: LIMIT,
        ..config(base_url)
    })
    .unwrap()
}

#[tokio::test]
async fn no_connection_is_transient_and_unreachable() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    // A server that doesn't speak TLS, and one that says nothing at all.
    let plain = socket(|stream| async { drop(say(stream, "HTTP/1.1 400 No\r\n\r\n").await) }).await;
    let silent = socket(forever).await;
    for url in [
        refused,
        "http://no-such-host.invalid".to_owned(),
        plain.replace("http", "https"),
        silent.replace("http", "https"),
    ] {
        let telegram = within_limit(&*url);
        let (verdict, probed) = tokio::join!(deliver(&telegram), telegram.probe());
        let Verdict::Transient(failure) = verdict else {
            panic!("{url}: {verdict:?}");
        };
        assert_eq!(failure.kind, FailureKind::Unreachable, "{url}");
        let probed = probed.unwrap_err();
        assert_eq!(probed.kind, FailureKind::Unreachable, "{url}");
        assert!(!format!("{probed:?}").contains("very-secret"));
    }
}

#[tokio::test]
async fn a_request_without_a_whole_answer_is_uncertain() {
    let silent = socket(forever).await;
    let slow = socket(|stream| async {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"ok\":";
        forever(say(stream, head).await).await;
    })
    .await;
    let cut = socket(|stream| async {
        hang_up(say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{").await).await;
    })
    .await;
    let closed = socket(|stream| async move { drop(stream) }).await;
    let reset = socket(|stream| async move { stream.set_zero_linger().unwrap() }).await;
    let garbage =
        socket(|stream| async { drop(say(stream, "\0\u{1} no HTTP\r\n\r\n").await) }).await;
    let huge = socket(|stream| async {
        let body = "x".repeat(70_000);
        let text = format!("HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n{body}");
        forever(say(stream, &text).await).await;
    })
    .await;
    for (url, kind) in [
        (silent, FailureKind::Timeout),
        (slow, FailureKind::Timeout),
        (cut, FailureKind::ConnectionLost),
        (closed, FailureKind::ConnectionLost),
        (reset, FailureKind::ConnectionLost),
        (garbage, FailureKind::ConnectionLost),
        (huge, FailureKind::UnexpectedAnswer),
    ] {
        let telegram = match kind {
            FailureKind::Timeout => within_limit(url),
            _ => telegram(url),
        };
        let verdict = deliver(&telegram).await;
        let Verdict::Uncertain(failure) = verdict else {
            panic!("{kind:?}: {verdict:?}");
        };
        assert_eq!(failure.kind, kind, "{failure}");
    }
}

#[tokio::test]
async fn the_time_limit_covers_both_sends_to_a_chat_that_moves() {
    let url = socket(|mut stream| async move {
        // The first answer takes most of the time, and the second never comes.
        tokio::time::sleep(LIMIT * 7 / 10).await;
        let body = moved(1).2;
        let head = format!("HTTP/1.1 400 No\r\ncontent-length: {}\r\n\r\n", body.len());
        stream = say(stream, &(head + &body)).await;
        forever(stream).await;
    })
    .await;
    let started = Instant::now();
    let verdict = deliver(&within_limit(url)).await;
    assert!(matches!(verdict, Verdict::Uncertain(failure) if failure.kind == FailureKind::Timeout));
    assert!(started.elapsed() < LIMIT * 3 / 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_refusal_that_is_cut_off_is_final_only_where_the_body_does_not_matter() {
    let bad = socket(|stream| async {
        hang_up(say(stream, "HTTP/1.1 400 No\r\ncontent-length: 99\r\n\r\n{").await).await;
    })
    .await;
    let forbidden = socket(|stream| async {
        hang_up(say(stream, "HTTP/1.1 403 No\r\ncontent-length: 99\r\n\r\n{").await).await;
    })
    .await;
    assert!(matches!(
        deliver(&telegram(bad)).await,
        Verdict::Transient(_)
    ));
    assert!(matches!(
        deliver(&telegram(forbidden)).await,
        Verdict::Rejected(_)
    ));
}
