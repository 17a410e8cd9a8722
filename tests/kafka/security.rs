//! TLS and logins: consuming, producing and groups over every listener, and what
//! is told where one side does not accept the other.

pub(crate) mod openssl;
pub(crate) mod refusals;
pub(crate) mod renewal;
pub(crate) mod rights;
pub(crate) mod tokens;

use crate::support::cluster::Cluster;
use crate::support::notifier::Setup;
use crate::support::payments::payment;
use crate::support::runner::{Test, tests};
use crate::support::stream::number;
use crate::support::telegram::{Answer, Telegram};
use crate::support::tokens::unsecured_token;

pub(crate) const TESTS: &[Test] = tests![
    tls(Cluster),
    mutual_tls(Cluster),
    tls_1_2_and_1_3_alone(Cluster),
    plain(Cluster),
    scram_sha_256(Cluster),
    scram_sha_512(Cluster),
    oauthbearer(Cluster),
    a_java_clients_file(Cluster, Java),
];

/// A setup whose broker addresses are those of a listener.
fn at(cluster: &Cluster, telegram: &Telegram, listener: &str) -> Setup {
    let servers = cluster.bootstrap_of(listener);
    Setup::new(cluster, telegram).kafka("bootstrap.servers", servers)
}

/// Publishes, consumes in a group, forwards what can't be sent, commits: all over one listener.
/// Gives the log.
async fn all_of_it_works(secured: impl Fn(&Cluster, &Telegram) -> Setup) -> String {
    all_of_it_works_on(Cluster::shared().await, secured).await
}

async fn all_of_it_works_on(
    cluster: &Cluster,
    secured: impl Fn(&Cluster, &Telegram) -> Setup,
) -> String {
    let telegram = Telegram::start().await;
    telegram.answer(|sent| number(sent) == 1, Answer::error(400, "Bad Request"));
    let setup = secured(cluster, &telegram);
    let mut notifier = setup.run();
    cluster.wait_for_members(&setup.group, 1, 3).await;

    let lines: Vec<_> = (0..3).map(payment).collect();
    let published = setup.call(&["publish"], &lines.join("\n")).await;
    assert!(published.status.success(), "{published:?}");

    telegram.wait_for(3).await;
    let permanent = cluster.wait_for_records(&setup.permanent, 1).await;
    assert_eq!(permanent[0].text(), payment(1));
    cluster
        .wait_for_commits(&setup.group, &setup.source, 3)
        .await;
    assert!(notifier.shut_down().await.success());
    let told = notifier.log().join("\n");
    assert!(!told.contains("-secret"), "{told}");
    told
}

pub(crate) async fn tls() {
    all_of_it_works(|cluster, telegram| at(cluster, telegram, "tls").over_tls("SSL")).await;
}

pub(crate) async fn mutual_tls() {
    all_of_it_works(|cluster, telegram| {
        let setup = at(cluster, telegram, "mtls").over_tls("SSL");
        setup.with_certificate()
    })
    .await;
}

async fn tls_1_2_and_1_3_alone() {
    let cluster = Cluster::start(
        1,
        &[
            ("listener.name.tls.ssl.enabled.protocols", "TLSv1.2"),
            ("listener.name.mtls.ssl.enabled.protocols", "TLSv1.3"),
        ],
    )
    .await;
    for listener in ["tls", "mtls"] {
        all_of_it_works_on(&cluster, |cluster, telegram| {
            let setup = at(cluster, telegram, listener).over_tls("SSL");
            setup.with_certificate()
        })
        .await;
    }
}

/// Over plaintext, which is warned of where it shows the password, and over TLS.
async fn mechanism(shows_secret: bool, secured: impl Fn(Setup) -> Setup) {
    let told = all_of_it_works(|cluster, telegram| {
        let setup = at(cluster, telegram, "sasl").kafka("security.protocol", "sasl_plaintext");
        secured(setup)
    })
    .await;
    assert_eq!(told.contains("unencrypted"), shows_secret, "{told}");
    let told = all_of_it_works(|cluster, telegram| {
        secured(at(cluster, telegram, "sasltls").over_tls("SASL_SSL"))
    })
    .await;
    assert!(!told.contains("unencrypted"), "{told}");
}

pub(crate) async fn plain() {
    mechanism(true, |setup| setup.logged_in("PLAIN", "alice")).await;
}

pub(crate) async fn scram_sha_256() {
    mechanism(false, |setup| setup.logged_in("SCRAM-SHA-256", "bob")).await;
}

pub(crate) async fn scram_sha_512() {
    mechanism(false, |setup| setup.logged_in("SCRAM-SHA-512", "alice")).await;
}

pub(crate) async fn oauthbearer() {
    let token = unsecured_token("alice", 3600);
    mechanism(true, |setup| {
        let command = format!("printf %s '{token}'");
        setup
            .kafka("sasl.mechanism", "OAUTHBEARER")
            .kafka("sasl.oauthbearer.token_command", command)
    })
    .await;
}

/// What Java's own tools are given is given to the program, and both are let in.
async fn a_java_clients_file() {
    let cluster = Cluster::shared().await;
    let directory = tempfile::tempdir().expect("a directory");
    let [properties, ca] = ["client.properties", "ca.pem"].map(|it| directory.path().join(it));
    crate::support::tls::put_together(&ca, &["ca.pem"]);
    let text = format!(
        "bootstrap.servers={}\n\
         security.protocol=SASL_SSL\n\
         sasl.mechanism=SCRAM-SHA-512\n\
         sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\\n\
         \x20   username=\"alice\" password=\"alice-secret\";\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={}\n",
        cluster.bootstrap_of("sasltls"),
        ca.display(),
    );
    std::fs::write(&properties, text).expect("a directory to write to");
    let path = properties.to_str().expect("a path in UTF-8");
    let servers = ["--bootstrap-server", &cluster.bootstrap_of("sasltls")];
    let arguments = [&servers[..], &["--list", "--command-config", path]].concat();
    let java = crate::support::cluster::tool("kafka-topics")
        .args(arguments)
        .output();
    assert!(java.await.expect("python3 starts").status.success());

    all_of_it_works(|cluster, telegram| {
        let setup = Setup::new(cluster, telegram).without("NOTIFIER_KAFKA_BOOTSTRAP_SERVERS");
        setup.kafka("properties_file", path)
    })
    .await;
}
