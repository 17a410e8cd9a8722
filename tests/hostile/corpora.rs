//! Every input that fuzzing has kept goes through its target again.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::targets::TARGETS;

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// What a folder holds, without what follows a dot.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).expect("the folder is in the repository");
    let paths = entries.flatten().map(|entry| entry.path());
    let stems = paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    stems.collect()
}

#[test]
fn every_target_has_a_file_and_a_corpus() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}

#[test]
fn every_input_is_borne() {
    for (name, target) in TARGETS {
        let inputs = fs::read_dir(fuzz().join("corpus").join(name)).unwrap();
        let mut count = 0;
        for input in inputs {
            let path = input.unwrap().path();
            let data = fs::read(&path).unwrap();
            // Named where it panics.
            println!("{}", path.display());
            target(&data);
            count += 1;
        }
        assert!(count > 0, "{name} has no input");
    }
}
