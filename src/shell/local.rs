//! Commands on the machine the program itself runs on.
//!
//! Each command gets a process group of its own, so that a Ctrl-C on the terminal reaches only
//! run-perf, which then ends commands in order. When a limit ends a command, everything it started
//! is gone before [`Shell::run`] returns: asked with SIGTERM, killed after 2 s. A command that
//! ends by itself may leave a daemon behind; one that was killed may not.
//!
//! What this cannot do: when run-perf itself is killed with SIGKILL, commands go on. They carry
//! `RUNPERF_COMMAND` in their environment, by which recovery finds them.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use super::cut::Cut;
use super::local_process::LocalProcess;
use super::{CommandLine, Limits, Output, Process, Shell, ShellError, Target};

/// This machine.
#[derive(Debug)]
pub struct LocalShell {
    target: Target,
}

impl LocalShell {
    /// A shell on this machine that messages call `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            target: Target(name.into()),
        }
    }

    fn file_error(
        &self,
        action: &'static str,
        path: &Path,
    ) -> impl Fn(std::io::Error) -> ShellError {
        let (target, path) = (self.target.clone(), path.to_owned());
        move |source| ShellError::File {
            action,
            target: target.clone(),
            path: path.clone(),
            source,
        }
    }

    /// Copies in pieces, so that cancellation and deadline are noticed between them.
    fn copy(
        &self,
        from: &mut dyn Read,
        to: &mut dyn Write,
        shown: &CommandLine,
        limits: &Limits,
        failed: &dyn Fn(std::io::Error) -> ShellError,
    ) -> Result<u64, ShellError> {
        let started = Instant::now();
        let mut buffer = vec![0; 256 << 10];
        let mut total = 0;
        loop {
            check(&self.target, shown, limits, started)?;
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            to.write_all(&buffer[..count]).map_err(failed)?;
            total += count as u64;
        }
        to.flush().map_err(failed)?;
        Ok(total)
    }
}

impl Shell for LocalShell {
    fn target(&self) -> &Target {
        &self.target
    }

    fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        check(&self.target, command, limits, Instant::now())?;
        LocalProcess::spawn(&self.target, command)?.wait(limits)
    }

    fn start(&self, command: &CommandLine) -> Result<Box<dyn Process>, ShellError> {
        Ok(Box::new(LocalProcess::spawn(&self.target, command)?))
    }

    fn upload(
        &self,
        from: &mut dyn Read,
        to: &Path,
        mode: u32,
        limits: &Limits,
    ) -> Result<(), ShellError> {
        let failed = self.file_error("write", to);
        let shown = CommandLine::new("upload").arg(to.display().to_string());
        let folder = match to.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Gone again when anything below fails.
        let mut file = tempfile::Builder::new()
            .prefix(".runperf-")
            .tempfile_in(folder)
            .map_err(&failed)?;
        self.copy(from, file.as_file_mut(), &shown, limits, &failed)?;
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(mode))
            .map_err(&failed)?;
        file.persist(to).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn download(
        &self,
        from: &Path,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<u64, ShellError> {
        let failed = self.file_error("read", from);
        let shown = CommandLine::new("download").arg(from.display().to_string());
        let kind = match std::fs::metadata(from) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ShellError::NoSuchFile {
                    target: self.target.clone(),
                    path: from.to_owned(),
                });
            }
            Err(error) => return Err(failed(error)),
        };
        if !kind.is_file() {
            // A pipe would block, a device never end.
            return Err(failed(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "not a regular file",
            )));
        }
        let mut file = std::fs::File::open(from).map_err(&failed)?;
        self.copy(&mut file, to, &shown, limits, &failed)
    }

    fn connect(&self, socket: &Path, _: &Limits) -> Result<UnixStream, ShellError> {
        UnixStream::connect(socket).map_err(self.file_error("connect to", socket))
    }

    fn pipe(
        &self,
        command: &CommandLine,
        from: &mut dyn Read,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<Output, ShellError> {
        check(&self.target, command, limits, Instant::now())?;
        LocalProcess::pipe(&self.target, command, from, to, limits)
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// Says whether a limit is over already.
fn check(
    target: &Target,
    command: &CommandLine,
    limits: &Limits,
    started: Instant,
) -> Result<(), ShellError> {
    match Cut::before(limits) {
        Some(cut) => Err(cut.error(target, command, started, String::new())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::cancel::CancelToken;
    use crate::shell::Exit;

    fn shell() -> LocalShell {
        LocalShell::new("here")
    }

    fn no_limits() -> Limits {
        Limits::new(CancelToken::default())
    }

    #[test]
    fn streams_status_and_input_come_through() {
        let command = CommandLine::script("cat; echo oops >&2; exit 3").stdin("fed");
        let output = shell().run(&command, &no_limits()).expect("sh exists");
        assert_eq!(
            (output.exit, output.text().as_str(), output.tail().as_str()),
            (Exit::Code(3), "fed", "oops")
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = shell()
            .run(&CommandLine::new("no-such-program"), &no_limits())
            .expect_err("is not there");
        assert_eq!(error.to_string(), "no program `no-such-program` on here");
        let command = CommandLine::new("true").current_dir("/no/such/folder");
        let error = shell()
            .run(&command, &no_limits())
            .expect_err("cannot run there");
        assert!(matches!(error, ShellError::NoSuchFile { .. }), "{error}");
    }

    #[test]
    fn nothing_starts_when_the_run_is_cancelled() {
        let limits = no_limits();
        limits.cancel.raise();
        let dir = tempfile::tempdir().expect("a temporary folder");
        let command = CommandLine::new("touch")
            .arg("made")
            .current_dir(dir.path());
        assert!(matches!(
            shell().run(&command, &limits),
            Err(ShellError::Interrupted { .. })
        ));
        assert!(!dir.path().join("made").exists());
    }

    #[test]
    fn files_go_up_whole_and_come_back() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a file");
        shell()
            .upload(&mut &b"\0binary\xff"[..], &path, 0o640, &no_limits())
            .expect("folder is writable");
        let mut back = Vec::new();
        let length = shell()
            .download(&path, &mut back, &no_limits())
            .expect("was written");
        assert_eq!((length, back.as_slice()), (8, &b"\0binary\xff"[..]));
        let mode = std::fs::metadata(&path)
            .expect("exists")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert_eq!(
            std::fs::read_dir(dir.path()).expect("a folder").count(),
            1,
            "no temporary name is left"
        );
    }

    #[test]
    fn a_failed_upload_leaves_the_old_file_and_nothing_else() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("source went away"))
            }
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("kept");
        std::fs::write(&path, "old").expect("folder is writable");
        let error = shell()
            .upload(&mut Broken, &path, 0o644, &no_limits())
            .expect_err("source is broken");
        assert!(
            matches!(
                error,
                ShellError::File {
                    action: "write",
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), "old");
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn what_is_no_file_is_refused_instead_of_read_for_ever() {
        let mut sink = Vec::new();
        let error = shell()
            .download(Path::new("/dev/zero"), &mut sink, &no_limits())
            .expect_err("a device");
        assert!(matches!(error, ShellError::File { .. }), "{error}");
        let error = shell()
            .download(Path::new("/no/such"), &mut sink, &no_limits())
            .expect_err("missing");
        assert!(matches!(error, ShellError::NoSuchFile { .. }), "{error}");
    }
}
