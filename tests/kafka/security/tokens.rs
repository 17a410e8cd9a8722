//! Access tokens from a service, over HTTPS, for brokers that want one.

use std::time::{Duration, Instant};

use super::at;
use super::refusals::refused;
use crate::support::cluster::Cluster;
use crate::support::notifier::Setup;
use crate::support::runner::{Test, tests};
use crate::support::stream::{delivered, payments};
use crate::support::telegram::Telegram;
use crate::support::tls::fixture;
use crate::support::tokens::{CLIENT_ID, CLIENT_SECRET, TokenService};

pub(crate) const TESTS: &[Test] = tests![
    tokens_are_renewed_before_they_end(Cluster),
    a_service_that_gives_no_token(Cluster),
];

fn with_tokens(cluster: &Cluster, telegram: &Telegram, service: &TokenService) -> Setup {
    at(cluster, telegram, "sasltls")
        .over_tls("SASL_SSL")
        .kafka("sasl.mechanism", "OAUTHBEARER")
        .kafka("sasl.oauthbearer.token.endpoint.url", service.url())
        .kafka("sasl.oauthbearer.client.id", CLIENT_ID)
        .kafka("sasl.oauthbearer.client.secret", CLIENT_SECRET)
        .kafka("sasl.oauthbearer.scope", "payments")
        // Whom the system trusts, as it is told to every program.
        .set("SSL_CERT_FILE", fixture("ca.pem").display().to_string())
}

/// A broker refuses a token that has ended, and closes a session that was not renewed in time.
async fn tokens_are_renewed_before_they_end() {
    const LIFE: i64 = 12;
    let cluster = Cluster::start(1, &[("connections.max.reauth.ms", "5000")]).await;
    let telegram = Telegram::start().await;
    let service = TokenService::start(LIFE).await;
    let setup = with_tokens(&cluster, &telegram, &service);
    let mut notifier = setup.run();
    cluster.wait_for_members(&setup.group, 1, 3).await;
    let started = Instant::now();
    let mut published = 0;
    while started.elapsed() < Duration::from_secs(30) {
        let next = payments(published..published + 3, 3);
        cluster.produce(&setup.source, &next).await;
        published += 3;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    telegram.wait_for_payments(0..published).await;
    assert!(notifier.shut_down().await.success());
    assert_eq!(delivered(&telegram.sent()).len(), published);
    let log = notifier.log();
    let renewal = |line: &&String| line.contains("can't be renewed");
    assert_eq!(log.iter().find(renewal), None);
    assert_eq!(cluster.refused_logins(), 0);

    let forms = service.forms();
    // One for all connections of its time.
    let most = i64::try_from(started.elapsed().as_secs()).expect("a test's length") * 4 / LIFE;
    let most = usize::try_from(most).expect("it took some seconds");
    assert!((3..=most).contains(&forms.len()), "{forms:?}");
    let form = "grant_type=client_credentials&scope=payments";
    assert!(forms.iter().all(|it| it == form), "{forms:?}");
    let log = log.join("\n");
    assert!(
        !log.contains(CLIENT_SECRET) && !log.contains("eyJ"),
        "{log}"
    );
}

async fn a_service_that_gives_no_token() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let service = TokenService::start(60).await;
    let setup = with_tokens(cluster, &telegram, &service).kafka("request.timeout.ms", "6000");
    let wrong = setup
        .clone()
        .kafka("sasl.oauthbearer.client.secret", "wrong");
    let told = refused(&wrong).await;
    let why = "no access token: HTTP status 401: invalid_client who is that?";
    assert!(told.contains(why), "{told}");
    // The system does not know who vouches for it.
    let stranger = setup.set(
        "SSL_CERT_FILE",
        fixture("other-ca.pem").display().to_string(),
    );
    let told = refused(&stranger).await;
    assert!(told.contains("no access token"), "{told}");
    assert!(told.contains("certificate"), "{told}");
    assert!(service.forms().is_empty());
}
