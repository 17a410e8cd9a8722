//! The `[kafka]` table: the client's properties, under Kafka's own names.

use std::path::PathBuf;
use std::time::Duration;

use super::formats::{self, Address, AddressOf, Extension, NameCheck};
use super::kind::{Caseless, Choice, File, Hidden, List, Optional, Text, millis, whole};
use super::reader::Reader;
use super::table::{Fallback, Key, Table, table};
use crate::consumer::GroupProtocol;
use crate::secret::Secret;
use crate::wire::IsolationLevel;
use crate::wire::compression::Compression;

/// How a group's partitions are divided among its members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Assignor {
    /// Kafka's `range`: contiguous partitions of each topic.
    #[default]
    Range,
    /// Kafka's `cooperative-sticky` (KIP-429): as few moves as can be.
    CooperativeSticky,
}

const ASSIGNORS: Choice<Assignor> = Choice(&[
    ("range", Assignor::Range),
    ("cooperative-sticky", Assignor::CooperativeSticky),
]);

const GROUP_PROTOCOLS: Choice<GroupProtocol> = Choice(&[
    ("classic", GroupProtocol::Classic),
    ("consumer", GroupProtocol::Consumer),
]);

/// Whether TLS is used, and whether there is a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocol {
    /// Connections are encrypted.
    pub tls: bool,
    /// Connections begin with a login.
    pub sasl: bool,
}

const PROTOCOLS: Choice<Protocol> = {
    const fn protocol(tls: bool, sasl: bool) -> Protocol {
        Protocol { tls, sasl }
    }
    Choice(&[
        ("PLAINTEXT", protocol(false, false)),
        ("SSL", protocol(true, false)),
        ("SASL_PLAINTEXT", protocol(false, true)),
        ("SASL_SSL", protocol(true, true)),
    ])
};

/// How to log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    /// User and password as they are.
    #[default]
    Plain,
    /// A proof of the password, with SHA-256.
    ScramSha256,
    /// A proof of the password, with SHA-512.
    ScramSha512,
    /// An access token.
    OauthBearer,
}

const MECHANISMS: Choice<Mechanism> = Choice(&[
    ("PLAIN", Mechanism::Plain),
    ("SCRAM-SHA-256", Mechanism::ScramSha256),
    ("SCRAM-SHA-512", Mechanism::ScramSha512),
    ("OAUTHBEARER", Mechanism::OauthBearer),
]);

const CODECS: Choice<Compression> = Choice(&[
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
]);

const ISOLATION_LEVELS: Choice<IsolationLevel> = Choice(&[
    ("read_uncommitted", IsolationLevel::ReadUncommitted),
    ("read_committed", IsolationLevel::ReadCommitted),
]);

const MAX_BYTES: i64 = i32::MAX as i64;

table! {
    /// The Kafka client. Names, meanings and defaults are Kafka's own, save where it says so.
    "kafka" => KafkaConfig {
        /// The brokers asked first; through them the others are found. An array, or text
        /// separated by commas.
        "bootstrap.servers" => bootstrap_servers: Vec<Address> = List { of: AddressOf, min: 1 }, default "localhost:9092";
        /// A Java client's properties file, which is used as it is; what is set elsewhere goes
        /// before it. Its PEM `ssl.truststore.*` and `ssl.keystore.*` and its `sasl.jaas.config`
        /// are understood; what is not for this program is named in a warning.
        "properties_file" => properties_file: Option<PathBuf> = Optional(File), unset "client.properties";
        /// TLS and login: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
        "security.protocol" => security_protocol: Protocol = Caseless(PROTOCOLS), default "PLAINTEXT";
        /// Who is trusted to vouch for brokers: a PEM file. Read for each connection.
        /// By default the system's certificates, else those bundled with the program.
        "ssl.ca.location" => ssl_ca_location: Option<PathBuf> = Optional(File), unset "/etc/kafka/ca.pem";
        /// The same as text.
        "ssl.ca.pem" => ssl_ca_pem: Option<Secret> = Hidden(formats::password), unset "-----BEGIN CERTIFICATE-----";
        /// Our certificate, and those that lead to an authority: a PEM file, read for each
        /// connection. For brokers that ask who we are.
        "ssl.certificate.location" => ssl_certificate_location: Option<PathBuf> = Optional(File), unset "/etc/kafka/client.pem";
        /// The same as text.
        "ssl.certificate.pem" => ssl_certificate_pem: Option<Secret> = Hidden(formats::password), unset "-----BEGIN CERTIFICATE-----";
        /// The certificate's key, not encrypted: a PEM file (PKCS#8, PKCS#1 or SEC1).
        "ssl.key.location" => ssl_key_location: Option<PathBuf> = Optional(File), unset "/etc/kafka/client-key.pem";
        /// The same as text, a secret.
        "ssl.key.pem" => ssl_key_pem: Option<Secret> = Hidden(formats::password), unset "-----BEGIN PRIVATE KEY-----";
        /// Whether a broker's certificate must be for its host: `https`, or `none` (in Java,
        /// nothing), which lets anyone with a certificate of a trusted authority pose as it.
        "ssl.endpoint.identification.algorithm" => ssl_endpoint_identification_algorithm: bool = NameCheck, default "https";
        /// How to log in: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`.
        "sasl.mechanism" => sasl_mechanism: Option<Mechanism> = Optional(Caseless(MECHANISMS)), unset "SCRAM-SHA-512";
        /// The user, for PLAIN and SCRAM.
        "sasl.username" => sasl_username: Option<String> = Optional(Text(formats::any)), unset "notifier";
        /// The password, a secret. Either this or `sasl.password_file` is needed for a login.
        "sasl.password" => sasl_password: Option<Secret> = Hidden(formats::password), unset "replace-me";
        /// A file that holds the password and nothing else. Best, only its owner can read it.
        "sasl.password_file" => sasl_password_file: Option<PathBuf> = Optional(File), unset "/run/secrets/kafka-password";
        /// For OAUTHBEARER: a file that holds an access token, read for each login; …
        "sasl.oauthbearer.token_file" => sasl_oauthbearer_token_file: Option<PathBuf> = Optional(File), unset "/var/run/secrets/token";
        /// … or a command that writes one, run by the shell for each login; …
        "sasl.oauthbearer.token_command" => sasl_oauthbearer_token_command: Option<String> = Optional(Text(formats::any)), unset "print-token --audience kafka";
        /// … or a service that gives tokens for a client's id and secret (OAuth's client
        /// credentials grant).
        "sasl.oauthbearer.token.endpoint.url" => sasl_oauthbearer_token_endpoint_url: Option<String> = Optional(Text(formats::token_url)), unset "https://login.example.com/oauth2/token";
        /// The client's id at that service.
        "sasl.oauthbearer.client.id" => sasl_oauthbearer_client_id: Option<String> = Optional(Text(formats::any)), unset "notifier";
        /// Its secret there.
        "sasl.oauthbearer.client.secret" => sasl_oauthbearer_client_secret: Option<Secret> = Hidden(formats::password), unset "replace-me";
        /// A file that holds that secret and nothing else.
        "sasl.oauthbearer.client.secret_file" => sasl_oauthbearer_client_secret_file: Option<PathBuf> = Optional(File), unset "/run/secrets/kafka-client-secret";
        /// The scope that is asked of it.
        "sasl.oauthbearer.scope" => sasl_oauthbearer_scope: Option<String> = Optional(Text(formats::any)), unset "kafka";
        /// What goes along with each token: an array of `name=value`, or text with commas.
        "sasl.oauthbearer.extensions" => sasl_oauthbearer_extensions: Vec<(String, String)> = List { of: Extension, min: 0 }, default "";
        /// The name shown in the brokers' logs and quotas.
        "client.id" => client_id: String = Text(formats::name), default "payment-notifier";
        /// How long an answer is waited for, in milliseconds.
        "request.timeout.ms" => request_timeout: Duration = millis(1), default "30000";
        /// How long the `drain` command waits for something to come from Kafka, in milliseconds,
        /// before it ends with an error; the service waits as long as it takes. To be longer
        /// where another member of the drain's group takes longer to give up partitions.
        "default.api.timeout.ms" => default_api_timeout: Duration = millis(1), default "60000";
        /// How long connecting may take, in milliseconds.
        "socket.connection.setup.timeout.ms" => connection_setup_timeout: Duration = millis(1), default "10000";
        /// The pause before a lost connection is made again, in milliseconds.
        /// It doubles with each failure, with jitter.
        "reconnect.backoff.ms" => reconnect_backoff: Duration = millis(1), default "50";
        /// The most that pause grows to, in milliseconds.
        "reconnect.backoff.max.ms" => reconnect_backoff_max: Duration = millis(1), default "1000";
        /// The pause before a failed request is sent again, in milliseconds.
        /// It doubles with each failure, with jitter.
        "retry.backoff.ms" => retry_backoff: Duration = millis(1), default "100";
        /// The most that pause grows to, in milliseconds.
        "retry.backoff.max.ms" => retry_backoff_max: Duration = millis(1), default "1000";
        /// The age at which the list of topics and brokers is fetched anew, in milliseconds.
        "metadata.max.age.ms" => metadata_max_age: Duration = millis(1), default "300000";
        /// How long a connection may be idle before it is closed, in milliseconds.
        "connections.max.idle.ms" => connections_max_idle: Duration = millis(1), default "540000";
        /// The largest answer that is read, in bytes; librdkafka's name.
        "receive.message.max.bytes" => receive_message_max_bytes: usize = whole(1_000, 1_000_000_000), default "100000000";
        /// The time without a heartbeat, in milliseconds, after which the group gives a
        /// member's partitions to others.
        "session.timeout.ms" => session_timeout: Duration = millis(1), default "45000";
        /// The time between heartbeats, in milliseconds.
        /// A third of the session timeout at most is wise.
        "heartbeat.interval.ms" => heartbeat_interval: Duration = millis(1), default "3000";
        /// How long, in milliseconds, the group waits for a member to give up its partitions
        /// and join again.
        "max.poll.interval.ms" => max_poll_interval: Duration = millis(1), default "300000";
        /// A name that stays over restarts, so that a restart moves no partitions (KIP-345).
        /// Each process of the group needs its own.
        "group.instance.id" => group_instance_id: Option<String> = Optional(Text(formats::instance_id)), unset "notifier-1";
        /// How partitions are divided, the preferred way first: `range`, `cooperative-sticky`.
        /// All members of a group need one in common.
        "partition.assignment.strategy" => partition_assignment_strategy: Vec<Assignor> = List { of: ASSIGNORS, min: 1 }, default "range,cooperative-sticky";
        /// Whether records of transactions that are open or were aborted are read as well:
        /// `read_committed` (they are not) or `read_uncommitted`.
        /// Kafka's default is read_uncommitted. Ours isn't: nobody is to be told of a payment
        /// that was taken back, and a dead letter whose forward was aborted is still where it
        /// came from, so that draining it would send it twice.
        "isolation.level" => isolation_level: IsolationLevel = ISOLATION_LEVELS, default "read_committed";
        /// Who divides them: `classic`, a member of the group for all; or `consumer`, the brokers
        /// (KIP-848, from Kafka 4.0 on; where they can't, `classic` is used, with a warning).
        /// Members of both can be in a group while it goes from one to the other. With `consumer`
        /// the brokers say how long a session is, how often there are heartbeats, and how
        /// partitions are divided: `session.timeout.ms`, `heartbeat.interval.ms` and
        /// `partition.assignment.strategy` must not be set then.
        "group.protocol" => group_protocol: GroupProtocol = GROUP_PROTOCOLS, default "classic";
        /// With `group.protocol = "consumer"`: which of the brokers' ways to divide partitions,
        /// `uniform` or `range` where they have no others. By default the brokers choose.
        "group.remote.assignor" => group_remote_assignor: Option<String> = Optional(Text(formats::name)), unset "uniform";
        /// Where this process runs. Where brokers have racks and let their clients read from the
        /// closest replica (`replica.selector.class`), that is done (KIP-392).
        "client.rack" => client_rack: Option<String> = Optional(Text(formats::name)), unset "eu-west-1a";
        /// A broker answers a fetch when it has this much, in bytes, …
        "fetch.min.bytes" => fetch_min_bytes: i32 = whole(1, MAX_BYTES), default "1";
        /// … or after this time, in milliseconds.
        "fetch.max.wait.ms" => fetch_max_wait: Duration = millis(0), default "500";
        /// The budget of what a consumer holds, in bytes: records that wait or are being handled,
        /// in their decompressed size. A partition of which nothing is held is fetched all the
        /// same. One fetch brings half of the budget at most, or one batch that is larger.
        /// Kafka's default is 52428800; ours keeps the memory small.
        "fetch.max.bytes" => fetch_max_bytes: i32 = whole(1, MAX_BYTES), default "8388608";
        /// The most that one fetch brings of one partition, in bytes.
        "max.partition.fetch.bytes" => max_partition_fetch_bytes: i32 = whole(1, MAX_BYTES), default "1048576";
        /// The most that one compressed batch may become, in bytes; no other client has a name
        /// for it. A larger one stops its partition, with an error that names it: it may be
        /// made to fill the memory. All the batches of one fetch become twice this at most.
        "max.decompressed.bytes" => max_decompressed_bytes: usize = whole(1_000, MAX_BYTES), default "67108864";
        /// How long a record waits for others to be sent with, in milliseconds.
        "linger.ms" => linger: Duration = millis(0), default "5";
        /// The size at which a batch is sent without waiting, in bytes.
        "batch.size" => batch_size: usize = whole(1, MAX_BYTES), default "16384";
        /// The largest request the producer sends, in bytes; so no record can be larger.
        "max.request.size" => max_request_size: usize = whole(1_000, MAX_BYTES), default "1048576";
        /// How the batches that the producer sends are compressed: `none`, `gzip`, `snappy`,
        /// `lz4` or `zstd`. All of them are read, whatever is set here.
        "compression.type" => compression_type: Compression = CODECS, default "none";
        /// How hard gzip tries, from 1 (fast) to 9 (small). Kafka's default, -1, is 6. The other
        /// codecs have no levels here.
        "compression.gzip.level" => compression_gzip_level: u8 = whole(1, 9), default "6";
        /// After this time a record that no broker took is given up, in milliseconds.
        "delivery.timeout.ms" => delivery_timeout: Duration = millis(1), default "120000";
        /// After this time the brokers abort a transaction that was not ended, in milliseconds.
        /// After a crash those who read only what is committed wait so long for what comes
        /// behind it. Never more than half of session.timeout.ms: a transaction is to be over
        /// before its partitions are another's. Kafka's default is 60000.
        "transaction.timeout.ms" => transaction_timeout: Duration = millis(1_000), default "10000";
    }
}

impl KafkaConfig {
    /// The rules between keys; Java's client has most of them.
    pub(super) fn check(&self, reader: &mut Reader) {
        self.check_group(reader);
        reader.require(
            self.heartbeat_interval < self.session_timeout,
            ["kafka.heartbeat.interval.ms", "kafka.session.timeout.ms"],
            "must be smaller than session.timeout.ms, best a third of it at most",
        );
        reader.require(
            self.reconnect_backoff <= self.reconnect_backoff_max,
            [
                "kafka.reconnect.backoff.ms",
                "kafka.reconnect.backoff.max.ms",
            ],
            "must not be larger than reconnect.backoff.max.ms",
        );
        reader.require(
            self.retry_backoff <= self.retry_backoff_max,
            ["kafka.retry.backoff.ms", "kafka.retry.backoff.max.ms"],
            "must not be larger than retry.backoff.max.ms",
        );
        reader.require(
            self.fetch_max_wait < self.request_timeout,
            ["kafka.fetch.max.wait.ms", "kafka.request.timeout.ms"],
            "must be smaller than request.timeout.ms, or an idle fetch counts as lost",
        );
        reader.require(
            self.fetch_min_bytes <= self.fetch_max_bytes,
            ["kafka.fetch.min.bytes", "kafka.fetch.max.bytes"],
            "must not be larger than fetch.max.bytes",
        );
        reader.require(
            usize::try_from(self.fetch_max_bytes)
                .is_ok_and(|bytes| bytes + 512 <= self.receive_message_max_bytes),
            ["kafka.fetch.max.bytes", "kafka.receive.message.max.bytes"],
            "must be smaller than receive.message.max.bytes by 512 at least",
        );
        reader.require(
            self.batch_size <= self.max_request_size,
            ["kafka.batch.size", "kafka.max.request.size"],
            "must not be larger than max.request.size",
        );
        reader.require(
            self.delivery_timeout >= self.linger + self.request_timeout,
            [
                "kafka.delivery.timeout.ms",
                "kafka.request.timeout.ms",
                "kafka.linger.ms",
            ],
            "must be at least linger.ms and request.timeout.ms together",
        );
    }

    /// What goes with either group protocol alone. Java refuses the same.
    fn check_group(&self, reader: &mut Reader) {
        let protocol = "kafka.group.protocol";
        let is_classic = self.group_protocol == GroupProtocol::Classic;
        let assignor = "kafka.group.remote.assignor";
        reader.require(
            !is_classic || self.group_remote_assignor.is_none(),
            [assignor, protocol],
            "must not be set with group.protocol=classic: see partition.assignment.strategy",
        );
        for (key, message) in [
            (
                "kafka.session.timeout.ms",
                "must not be set with group.protocol=consumer: the brokers' \
                 group.consumer.session.timeout.ms holds",
            ),
            (
                "kafka.heartbeat.interval.ms",
                "must not be set with group.protocol=consumer: the brokers' \
                 group.consumer.heartbeat.interval.ms holds",
            ),
            (
                "kafka.partition.assignment.strategy",
                "must not be set with group.protocol=consumer: see group.remote.assignor",
            ),
        ] {
            let allowed = is_classic || !reader.is_set(key);
            reader.require(allowed, [key, protocol], message);
        }
    }
}
