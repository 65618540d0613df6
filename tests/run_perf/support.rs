//! A fresh folder for each test, and the program started in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder that is gone at the end of the test.
pub(crate) struct Place(tempfile::TempDir);

/// What a finished program left.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(
            tempfile::Builder::new()
                .prefix("run-perf-test-")
                .tempdir()
                .expect("a temporary folder"),
        )
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The program, started here, with nothing of the person's own configuration.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(program());
        command
            .current_dir(self.path())
            .env("XDG_CONFIG_HOME", self.path().join("no-configuration"))
            .env("NO_COLOR", "1")
            // Other tests hold this machine at the same time.
            .env("RUNPERF_STATE_DIR", self.path().join("state"))
            .env_remove("CLICOLOR_FORCE")
            .env_remove("RUNPERF_CONFIG")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        ended(self.command().args(args).output().expect("it starts"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path().join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    /// Names in a folder, sorted.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path().join(name))
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// Every file below a folder.
    pub(crate) fn files(&self, name: &str) -> Vec<PathBuf> {
        fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(dir).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, files);
                } else {
                    files.push(path);
                }
            }
        }
        let mut files = Vec::new();
        walk(&self.path().join(name), &mut files);
        files.sort();
        files
    }

    /// Value of a key of `RUNPERF_METADATA`; the last line that has it.
    pub(crate) fn metadata(&self, result: &str, key: &str) -> Option<String> {
        let text = self.read(&format!("{result}/RUNPERF_METADATA"));
        text.lines()
            .rev()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(str::to_owned))
    }
}

pub(crate) fn program() -> PathBuf {
    assert_cmd::cargo::cargo_bin("run-perf")
}

pub(crate) fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

impl Ended {
    pub(crate) fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }

    /// Everything a person sees of a run that did not start.
    pub(crate) fn refused(&self) -> String {
        assert_eq!(self.stdout, "", "nothing on standard output");
        format!("exit {}\n{}", self.code, self.stderr)
    }
}
