//! From the keys of `[kafka]` to TLS and a login: what they name is read and tried here, so that
//! whatever is wrong with it is told before anything connects.

use std::path::PathBuf;

use super::formats;
use super::kafka::{KafkaConfig, Mechanism};
use super::reader::Reader;
use super::secrets::{self, Places};
use crate::net::Security;
use crate::net::sasl::{Account, Hash, Sasl, TokenSource, Tokens};
use crate::secret::Secret;
use crate::tls::{Identity, Part, Pem, TlsConfig, check_cpu};
use crate::tokens::{ClientCredentials, TokenCommand, TokenFile};

/// What `[kafka]` says of TLS and the login. `None` where something was noted as wrong.
pub(super) fn security(kafka: &KafkaConfig, reader: &mut Reader) -> Option<Security> {
    if reader.is_refused("kafka.security.protocol") {
        return None;
    }
    let protocol = kafka.security_protocol;
    warn_of_unused(protocol.tls, &TLS_KEYS, reader);
    warn_of_unused(protocol.sasl, &SASL_KEYS, reader);
    let tls = protocol.tls.then(|| tls(kafka, reader));
    let sasl = protocol.sasl.then(|| sasl(kafka, reader));
    let wrong = matches!(tls, Some(None)) || matches!(sasl, Some(None));
    (!wrong).then(|| Security {
        tls: tls.flatten(),
        sasl: sasl.flatten(),
    })
}

const TLS_KEYS: [&str; 6] = [
    "kafka.ssl.ca.location",
    "kafka.ssl.ca.pem",
    "kafka.ssl.certificate.location",
    "kafka.ssl.certificate.pem",
    "kafka.ssl.key.location",
    "kafka.ssl.key.pem",
];
const SASL_KEYS: [&str; 4] = [
    "kafka.sasl.mechanism",
    "kafka.sasl.username",
    "kafka.sasl.password",
    "kafka.sasl.password_file",
];

/// Someone who sets a password believes that it is asked for.
fn warn_of_unused(used: bool, keys: &[&str], reader: &mut Reader) {
    let set: Vec<_> = keys
        .iter()
        .filter(|key| reader.is_set(key))
        .copied()
        .collect();
    if !used && !set.is_empty() {
        let set = set.join(", ");
        let warning = format!("{set}: not used, as kafka.security.protocol stands");
        reader.warnings.push(warning);
    }
}

fn tls(kafka: &KafkaConfig, reader: &mut Reader) -> Option<TlsConfig> {
    let trusted = pem(&TRUSTED, &kafka.ssl_ca_location, &kafka.ssl_ca_pem, reader)?;
    let certificate = (&kafka.ssl_certificate_location, &kafka.ssl_certificate_pem);
    let certificate = pem(&CERTIFICATE, certificate.0, certificate.1, reader)?;
    let key = pem(&KEY, &kafka.ssl_key_location, &kafka.ssl_key_pem, reader)?;
    if let Some(Pem::File(path)) = &key {
        secrets::warn_if_open(path, "key", &mut reader.warnings);
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        (None, None) => None,
        (missing, _) => {
            let missing = if missing.is_none() {
                &CERTIFICATE
            } else {
                &KEY
            };
            let text = "is missing: a certificate needs its key, and a key its certificate";
            reader.reject(missing.location, text.to_owned());
            return None;
        }
    };
    let config = TlsConfig {
        trusted,
        identity,
        check_name: kafka.ssl_endpoint_identification_algorithm,
    };
    let error = check_cpu().and_then(|()| config.client_config()).err();
    if let Some(error) = error {
        let keys = match error.part() {
            Part::Cpu | Part::Tls => ["kafka.security.protocol"; 2],
            Part::Trusted => [TRUSTED.location, TRUSTED.text],
            Part::Certificate => [CERTIFICATE.location, CERTIFICATE.text],
            Part::Key => [KEY.location, KEY.text],
        };
        let set = keys.into_iter().find(|key| reader.is_set(key));
        reader.reject(set.unwrap_or(keys[0]), error.to_string());
        return None;
    }
    Some(config)
}

/// Two keys for one PEM.
struct Keys {
    location: &'static str,
    text: &'static str,
}

const TRUSTED: Keys = Keys {
    location: TLS_KEYS[0],
    text: TLS_KEYS[1],
};
const CERTIFICATE: Keys = Keys {
    location: TLS_KEYS[2],
    text: TLS_KEYS[3],
};
const KEY: Keys = Keys {
    location: TLS_KEYS[4],
    text: TLS_KEYS[5],
};

/// A PEM, `Some(None)` where there is none.
fn pem(
    keys: &Keys,
    location: &Option<PathBuf>,
    text: &Option<Secret>,
    reader: &mut Reader,
) -> Option<Option<Pem>> {
    if reader.is_refused(keys.location) || reader.is_refused(keys.text) {
        return None;
    }
    match (location, text) {
        (Some(_), Some(_)) => {
            let other = reader.origin(keys.text);
            let message = format!("is set, and so is {} ({other}): leave one out", keys.text);
            reader.reject(keys.location, message);
            None
        }
        (Some(path), None) => Some(Some(Pem::File(path.clone()))),
        (None, text) => Some(text.clone().map(Pem::Text)),
    }
}

fn sasl(kafka: &KafkaConfig, reader: &mut Reader) -> Option<Sasl> {
    let Some(mechanism) = kafka.sasl_mechanism else {
        return missing(
            "kafka.sasl.mechanism",
            "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
            reader,
        );
    };
    match mechanism {
        Mechanism::Plain => login(kafka, reader).map(Sasl::Plain),
        Mechanism::ScramSha256 => login(kafka, reader).map(|it| Sasl::Scram(Hash::Sha256, it)),
        Mechanism::ScramSha512 => login(kafka, reader).map(|it| Sasl::Scram(Hash::Sha512, it)),
        Mechanism::OauthBearer => tokens(kafka, reader).map(Sasl::OauthBearer),
    }
}

fn login(kafka: &KafkaConfig, reader: &mut Reader) -> Option<Account> {
    let password = Places {
        value: ("kafka.sasl.password", &kafka.sasl_password),
        file: ("kafka.sasl.password_file", &kafka.sasl_password_file),
        what: "password",
        check: formats::password,
    };
    let password = secrets::find_source(&password, reader).ok();
    if matches!(password, Some(None)) {
        missing::<()>("kafka.sasl.password", "it, or sasl.password_file", reader);
    }
    let Some(username) = kafka.sasl_username.clone() else {
        return missing("kafka.sasl.username", "it", reader);
    };
    let password = password.flatten()?;
    Some(Account { username, password })
}

/// Notes that a key is missing.
fn missing<T>(key: &'static str, what: &str, reader: &mut Reader) -> Option<T> {
    if !reader.is_refused(key) {
        let message = format!("is missing: kafka.security.protocol asks for a login; set {what}");
        reader.reject(key, message);
    }
    None
}

fn tokens(kafka: &KafkaConfig, reader: &mut Reader) -> Option<Tokens> {
    const FILE: &str = "kafka.sasl.oauthbearer.token_file";
    let extensions = kafka.sasl_oauthbearer_extensions.clone();
    let file = kafka.sasl_oauthbearer_token_file.clone();
    let command = kafka.sasl_oauthbearer_token_command.clone();
    let endpoint = kafka.sasl_oauthbearer_token_endpoint_url.as_ref();
    match (file, command, endpoint) {
        (Some(path), None, None) => Some(Tokens::new(TokenFile { path, extensions })),
        (None, Some(command), None) => Some(Tokens::new(TokenCommand {
            command,
            extensions,
        })),
        (None, None, Some(endpoint)) => service(endpoint, kafka, reader).map(Tokens::new),
        (None, None, None) => {
            let what = "it, sasl.oauthbearer.token_command or sasl.oauthbearer.token.endpoint.url";
            missing(FILE, what, reader)
        }
        _ => {
            let text = "is one of token_file, token_command and token.endpoint.url, of which \
                        more than one is set: leave the others out";
            reader.reject(FILE, text.to_owned());
            None
        }
    }
}

fn service(
    endpoint: &str,
    kafka: &KafkaConfig,
    reader: &mut Reader,
) -> Option<impl TokenSource + use<>> {
    const SECRET: &str = "kafka.sasl.oauthbearer.client.secret";
    let secret = Places {
        value: (SECRET, &kafka.sasl_oauthbearer_client_secret),
        file: (
            "kafka.sasl.oauthbearer.client.secret_file",
            &kafka.sasl_oauthbearer_client_secret_file,
        ),
        what: "secret",
        check: formats::password,
    };
    let secret = secrets::find_source(&secret, reader).ok()?;
    let Some(id) = kafka.sasl_oauthbearer_client_id.clone() else {
        return missing("kafka.sasl.oauthbearer.client.id", "it", reader);
    };
    let Some(secret) = secret else {
        return missing(SECRET, "it, or sasl.oauthbearer.client.secret_file", reader);
    };
    let scope = kafka.sasl_oauthbearer_scope.clone();
    let extensions = kafka.sasl_oauthbearer_extensions.clone();
    let service = ClientCredentials::new(endpoint, id, secret, scope, extensions);
    service
        .map_err(|error| {
            let key = "kafka.sasl.oauthbearer.token.endpoint.url";
            reader.reject(key, error.to_string());
        })
        .ok()
}
