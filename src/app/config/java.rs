//! A Java client's properties file, which says the same as `[kafka]` in part in other words.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::input::Input;
use super::jaas::{self, Jaas};
use super::layers::{Given, Layers};
use super::problem::{Origin, Problem};
use super::properties;
use super::reserved::{self, Reason};
use super::tables;

/// Of these, whichever is given keeps the others of its row from being taken from the file.
const ALTERNATIVES: [&[&str]; 5] = [
    &["ssl.ca.location", "ssl.ca.pem"],
    &["ssl.certificate.location", "ssl.certificate.pem"],
    &["ssl.key.location", "ssl.key.pem"],
    &["sasl.password", "sasl.password_file"],
    &[
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.secret_file",
    ],
];

/// Lays a file under what is given: what is set elsewhere goes before it. What it has for others
/// to read is no mistake, and told in a warning.
pub(super) fn lay_under(path: &Path, layers: &mut Layers) {
    let shown: Arc<str> = Arc::from(path.display().to_string());
    let origin = |line| Origin::File {
        path: Arc::clone(&shown),
        line,
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return layers.problem(origin(0), format!("can't be read: {error}")),
    };
    let properties = match properties::parse(&text) {
        Ok(properties) => properties,
        Err(line) => return layers.problem(origin(line), "a `\\u` needs four digits".to_owned()),
    };
    let mut found = Found::default();
    for property in properties {
        let line = property.line;
        if let Err(message) = found.take(line, &property.name, property.value) {
            layers.problems.push(Problem {
                origin: origin(line),
                key: Some(property.name),
                message,
            });
        }
    }
    if !found.unused.is_empty() {
        let names = found.unused.join(", ");
        layers.warnings.push(format!("{shown}: not used: {names}"));
    }
    let beaten = found.beaten(layers);
    for (key, (line, value)) in found.keys {
        if !beaten.contains(&key) {
            let input = Input::Word(value);
            let origin = origin(line);
            layers.given.entry(key).or_insert(Given { input, origin });
        }
    }
}

/// What was found in a file: values by the path of their key, with the line.
#[derive(Default)]
struct Found {
    keys: BTreeMap<String, (usize, String)>,
    unused: Vec<String>,
}

impl Found {
    /// The keys that something given elsewhere stands in for.
    fn beaten(&self, layers: &Layers) -> Vec<String> {
        let given = |name: &&str| layers.given.contains_key(&format!("kafka.{name}"));
        let rows = ALTERNATIVES.iter().filter(|row| row.iter().any(given));
        rows.flat_map(|row| row.iter().map(|name| format!("kafka.{name}")))
            .collect()
    }

    fn set(&mut self, line: usize, name: &str, value: impl Into<String>) {
        self.keys
            .insert(format!("kafka.{name}"), (line, value.into()));
    }

    fn take(&mut self, line: usize, name: &str, value: String) -> Result<(), String> {
        match name {
            "ssl.truststore.type" | "ssl.keystore.type" if value.eq_ignore_ascii_case("PEM") => {}
            "ssl.truststore.type" | "ssl.keystore.type" => return Err(not_pem(&value)),
            "ssl.truststore.location" => self.set(line, "ssl.ca.location", value),
            "ssl.truststore.certificates" => self.set(line, "ssl.ca.pem", value),
            "ssl.keystore.location" => {
                self.set(line, "ssl.certificate.location", value.as_str());
                self.set(line, "ssl.key.location", value);
            }
            "ssl.keystore.certificate.chain" => self.set(line, "ssl.certificate.pem", value),
            "ssl.keystore.key" => self.set(line, "ssl.key.pem", value),
            "sasl.jaas.config" => {
                let jaas = jaas::parse(&value)
                    .ok_or("can't be read: write `CLASS required NAME=\"VALUE\" …;`".to_owned())?;
                self.log_in(line, jaas)?;
            }
            "sasl.oauthbearer.token.endpoint.url" if value.starts_with("file:") => {
                let path = value.trim_start_matches("file:").trim_start_matches("//");
                self.set(line, "sasl.oauthbearer.token_file", path);
            }
            "sasl.oauthbearer.client.credentials.client.id" => {
                self.set(line, "sasl.oauthbearer.client.id", value);
            }
            "sasl.oauthbearer.client.credentials.client.secret" => {
                self.set(line, "sasl.oauthbearer.client.secret", value);
            }
            _ => self.take_plainly(line, name, value),
        }
        Ok(())
    }

    /// Takes a property that has its own name here, or one in another table.
    fn take_plainly(&mut self, line: usize, name: &str, value: String) {
        let own = format!("kafka.{name}");
        let is_key = |path: &str| tables::keys().any(|key| key.path() == path);
        match reserved::reason(&name.replace('.', "_")) {
            Some(Reason::Is(path)) => {
                self.keys.insert(path.to_owned(), (line, value));
            }
            None if is_key(&own) => {
                self.keys.insert(own, (line, value));
            }
            _ => self.unused.push(name.to_owned()),
        }
    }

    fn log_in(&mut self, line: usize, jaas: Jaas) -> Result<(), String> {
        let names: &[(&str, &str)] = match jaas.module.as_str() {
            "PlainLoginModule" | "ScramLoginModule" => {
                &[("username", "sasl.username"), ("password", "sasl.password")]
            }
            "OAuthBearerLoginModule" => &[
                ("clientId", "sasl.oauthbearer.client.id"),
                ("clientSecret", "sasl.oauthbearer.client.secret"),
                ("scope", "sasl.oauthbearer.scope"),
            ],
            module => return Err(format!("{module} is not supported")),
        };
        let mut extensions = Vec::new();
        for (option, value) in jaas.options {
            let known = names.iter().find(|(name, _)| *name == option);
            match (known, option.strip_prefix("extension_")) {
                (Some((_, key)), _) => self.set(line, key, value),
                (None, Some(name)) => extensions.push(format!("{name}={value}")),
                (None, None) => self.unused.push(format!("sasl.jaas.config's {option}")),
            }
        }
        if !extensions.is_empty() {
            self.set(line, "sasl.oauthbearer.extensions", extensions.join(","));
        }
        Ok(())
    }
}

fn not_pem(kind: &str) -> String {
    format!(
        "{kind} is not supported, PEM is: convert the file (keytool -importkeystore \
         -deststoretype PKCS12, then openssl pkcs12 -nodes)"
    )
}
