//! Kafka's properties that people bring along, and that can't be set here.

/// Why a property isn't a key.
#[derive(Clone, Copy)]
pub(super) enum Reason {
    /// It has one value, or none yet: what to know about it.
    Says(&'static str),
    /// It is another key: its path.
    Is(&'static str),
}

const BOTH_VERSIONS: Reason = Reason::Says("TLS 1.2 and 1.3 are used, with safe ciphers alone");
const IN_FILE: Reason = Reason::Says(
    "it is understood in a Java client's file, which properties_file names; here set \
     ssl.ca.location, ssl.certificate.location, ssl.key.location, sasl.username, sasl.password",
);

/// The names with underscores, as in variables; one that ends in `_` stands for all that begin so.
const RESERVED: [(&str, Reason); 16] = [
    ("sasl_jaas_config", IN_FILE),
    ("sasl_kerberos_", Reason::Says("Kerberos is not supported")),
    ("sasl_mechanisms", Reason::Is("kafka.sasl.mechanism")),
    ("ssl_keystore_", IN_FILE),
    ("ssl_truststore_", IN_FILE),
    (
        "ssl_key_password",
        Reason::Says("encrypted keys are not supported: decrypt it (openssl pkey), and guard it"),
    ),
    ("ssl_cipher_suites", BOTH_VERSIONS),
    ("ssl_enabled_protocols", BOTH_VERSIONS),
    ("ssl_protocol", BOTH_VERSIONS),
    (
        "sasl_login_",
        Reason::Says("logins are renewed by themselves"),
    ),
    (
        "sasl_oauthbearer_method",
        Reason::Says("it follows from what is set"),
    ),
    ("acks", Reason::Says("it is always `all`")),
    ("enable_idempotence", Reason::Says("it is always `true`")),
    (
        "enable_auto_commit",
        Reason::Says("the service commits the offsets itself"),
    ),
    ("group_id", Reason::Is("consumer.group_id")),
    (
        "auto_offset_reset",
        Reason::Is("consumer.auto_offset_reset"),
    ),
];

/// Looks a name of `[kafka]` up, in small letters and with underscores for dots.
pub(super) fn reason(name: &str) -> Option<Reason> {
    let stands_for = |known: &str| name == known || known.ends_with('_') && name.starts_with(known);
    RESERVED
        .iter()
        .find(|(known, _)| stands_for(known))
        .map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::super::tables;
    use super::*;

    #[test]
    fn no_key_is_reserved_and_what_stands_for_one_is_a_key() {
        for key in tables::tables()
            .filter(|table| table.name == "kafka")
            .flat_map(|table| table.keys)
        {
            assert!(
                reason(&key.name.replace('.', "_")).is_none(),
                "{}",
                key.name
            );
        }
        for (name, reason) in RESERVED {
            if let Reason::Is(path) = reason {
                assert!(tables::keys().any(|key| key.path() == path), "{name}");
            }
        }
    }
}
