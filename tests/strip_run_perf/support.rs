//! Results to work on, and the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use runperf::store::read::{Include, ResultData, read_result};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/run-perf-results")
        .join(name)
}

/// Every recorded night.
pub(crate) fn nights() -> Vec<PathBuf> {
    let list = |path: &Path| -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(path)
            .expect("listable")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        paths.into_iter().filter(|path| path.is_dir()).collect()
    };
    let nights: Vec<_> = list(&fixture(""))
        .iter()
        .flat_map(|setup| list(setup))
        .collect();
    assert_eq!(nights.len(), 13, "all recorded nights are there");
    nights
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("listable") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::write(target, fs::read(entry.path()).expect("readable")).expect("written");
        }
    }
}

/// A result with one `result.json` of this text, at `P/t/0000`.
pub(crate) fn result_with(text: &[u8]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    let serial = root.path().join("P/t/0000");
    fs::create_dir_all(&serial).expect("directories");
    fs::write(root.path().join("RUNPERF_METADATA"), "build:7").expect("written");
    fs::write(serial.join("result.json"), text).expect("written");
    root
}

pub(crate) fn read(path: &Path) -> ResultData {
    read_result("r", path, Include::default()).expect("a result")
}

/// Everything a comparison sees of a result, warnings and paths apart.
pub(crate) fn seen(path: &Path) -> String {
    let ResultData {
        measurements,
        failures,
        metadata,
        ..
    } = read(path);
    format!("{measurements:#?}\n{failures:#?}\n{:#?}", metadata.values)
}

/// Path below `root` and content of every file, sorted.
pub(crate) fn files(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    fn add(root: &Path, at: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in fs::read_dir(at).expect("listable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                add(root, &path, into);
            } else {
                into.push((
                    path.strip_prefix(root).expect("below").to_owned(),
                    fs::read(&path).expect("readable"),
                ));
            }
        }
    }
    let mut found = Vec::new();
    add(root, root, &mut found);
    found.sort();
    found
}

/// What a program said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn said(command: &mut Command) -> Said {
    // Nobody's own configuration has a say here.
    let output = command
        .env("HOME", "/nonexistent")
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("RUNPERF_CONFIG")
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

pub(crate) fn strip_run_perf() -> Command {
    Command::new(env!("CARGO_BIN_EXE_strip-run-perf"))
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
