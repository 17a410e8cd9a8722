//! Secrets, given as such or as a file that holds one.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::problem::Origin;
use super::reader::Reader;
use crate::secret::{MAX_SECRET_BYTES, Secret, SecretSource, line};

/// Two keys for one secret.
pub(super) struct Places<'a> {
    /// The path of the key whose value it is, and that value.
    pub(super) value: (&'static str, &'a Option<Secret>),
    /// The path of the key that names a file, and that name.
    pub(super) file: (&'static str, &'a Option<PathBuf>),
    /// What it is, for a person: `token`.
    pub(super) what: &'static str,
    /// Brings what a file holds into its form, or says what is wrong with it.
    pub(super) check: fn(&str) -> Result<Secret, String>,
}

/// Something was noted as wrong.
pub(super) struct Refused;

/// Takes a secret from where it is; `None` where nothing says where that would be.
pub(super) fn find(places: &Places<'_>, reader: &mut Reader) -> Result<Option<Secret>, Refused> {
    let (value_key, file_key) = (places.value.0, places.file.0);
    if reader.is_refused(value_key) || reader.is_refused(file_key) {
        return Err(Refused);
    }
    let name = |path: &'static str| path.split_once('.').map_or(path, |(_, name)| name);
    let found = match (places.value.1, places.file.1) {
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, Some(path)) => in_file(path, places, &mut reader.warnings).map(Some),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            let (other, origin) = (name(value_key), reader.origin(value_key));
            Err(format!(
                "is set, and so is {other} ({origin}): leave one of them out"
            ))
        }
    };
    if let Origin::Flag(_) = reader.origin(value_key) {
        let (what, file) = (places.what, name(file_key));
        reader.warnings.push(format!(
            "a {what} on the command line can be read by everyone here: use {file}"
        ));
    }
    found.map_err(|message| {
        reader.reject(file_key, message);
        Refused
    })
}

/// As [`find`], for a secret that is read anew when it is needed again: one in a file, or a
/// credential of systemd.
pub(super) fn find_source(
    places: &Places<'_>,
    reader: &mut Reader,
) -> Result<Option<SecretSource>, Refused> {
    let found = find(places, reader)?;
    let file = file_of(places, reader);
    Ok(found.map(|secret| file.map_or(SecretSource::Text(secret), SecretSource::File)))
}

/// The file that a secret is from, where it is from one: a credential of systemd is one too.
pub(super) fn file_of(places: &Places<'_>, reader: &Reader) -> Option<PathBuf> {
    let credential = match reader.origin(places.value.0) {
        Origin::Credential(path) => Some(path),
        _ => None,
    };
    places.file.1.clone().or(credential)
}

fn in_file(path: &Path, of: &Places<'_>, warnings: &mut Vec<String>) -> Result<Secret, String> {
    let (shown, what) = (path.display(), of.what);
    let text = read(path, MAX_SECRET_BYTES)?;
    if text.trim().is_empty() {
        return Err(format!("{shown} is empty: put the {what} in it"));
    }
    let secret =
        (of.check)(line(&text)).map_err(|message| format!("{shown}: what it holds {message}"))?;
    warn_if_open(path, what, warnings);
    Ok(secret)
}

/// Warns where others can read a file.
pub(super) fn warn_if_open(path: &Path, what: &str, warnings: &mut Vec<String>) {
    if others_can_read(path) {
        let path = path.display();
        warnings.push(format!(
            "{path} can be read by everyone here: chmod 600 would hide the {what}"
        ));
    }
}

/// Reads a small file.
pub(super) fn read(path: &Path, max: u64) -> Result<String, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(max + 1).read_to_string(&mut text))
        .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    if text.len() as u64 > max {
        return Err(format!(
            "{} is larger than {max} bytes: is it the right file?",
            path.display()
        ));
    }
    Ok(text)
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_: &Path) -> bool {
    false
}
