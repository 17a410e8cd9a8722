//! Tells the program what it was built from, for `--version`: `PAYMENT_NOTIFIER_BUILD` is the
//! commit, where it is known, and the target.
//!
//! The same commit gives the same text, wherever and whenever it is built.

use std::env;
use std::path::Path;
use std::process::Command;

const COMMIT_LETTERS: usize = 12;

/// What a program is made of; a commit that differs from it is not what was built.
const SOURCES: [&str; 6] = [
    "build.rs",
    "src",
    "examples/payment-notifier.toml",
    "Cargo.toml",
    "Cargo.lock",
    ".cargo",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_default();
    // A commit is no reason to compile again what is built to be tried.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = if is_release { commit() } else { None };
    let build = match commit {
        Some(commit) => format!("{commit}, {target}"),
        None => target,
    };
    println!("cargo:rustc-env=PAYMENT_NOTIFIER_BUILD={build}");
}

/// The commit that is checked out, with a `+` where the sources differ from it; none outside of
/// this project's own repository, as from an archive that was unpacked in another's.
fn commit() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    for path in SOURCES {
        println!("cargo:rerun-if-changed={path}");
    }
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let changes = git(&status)?;
    let mark = if changes.is_empty() { "" } else { "+" };
    // Cut here: how short git makes it depends on what else its repository holds.
    Some(format!("{}{mark}", commit.get(..COMMIT_LETTERS)?))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim_end().to_owned())
}
