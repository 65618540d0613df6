//! Folders both ways, as tar streams: nothing is written twice, and nothing waits in memory.
//!
//! What goes up is written by this program, sorted, owned by whoever writes it there. What comes
//! down was written by a machine that may be anybody's: names that leave the folder are refused with
//! everything else; links that lead out, devices and the like are left out and named; the size has a
//! limit. Nothing that exists is replaced.

mod pack;
mod unpack;

use std::io::{self, Read, Write};
use std::path::Path;

pub use unpack::{Bounds, Fetched};

use super::complaint::complaint;
use super::{CommandLine, Exit, Limits, Shell, ShellError};

/// Status of a program of ours for a folder that does not exist.
const NO_FOLDER: i32 = 3;
/// GNU tar: a file changed or went away while it was read. Logs do.
const CHANGED: i32 = 1;

/// See [`ShellExt::upload_tree`](super::ShellExt::upload_tree).
pub(super) fn upload<S: Shell + ?Sized>(
    shell: &S,
    from: &Path,
    to: &Path,
    limits: &Limits,
) -> Result<(), ShellError> {
    let failed = |action, path: &Path, source| ShellError::File {
        action,
        target: shell.target().clone(),
        path: path.to_owned(),
        source,
    };
    let script = r#"mkdir -p -- "$1" && exec tar -C "$1" -xpof -"#;
    let command = CommandLine::script(script)
        .arg("unpack")
        .arg(to.to_string_lossy());
    let (mut reader, writer) = io::pipe().map_err(|source| failed("write", to, source))?;
    let (packed, done) = std::thread::scope(|scope| {
        let packing = scope.spawn(move || pack::pack(from, writer));
        let done = shell.pipe(&command, &mut reader, &mut io::sink(), limits);
        // The packing ends when nobody reads any more.
        drop(reader);
        (join(packing), done)
    });
    let output = done?;
    if !output.exit.success() {
        return Err(failed("write", to, complaint(output.exit, &output.stderr)));
    }
    packed.map_err(|source| failed("write", to, source))
}

/// See [`ShellExt::fetch_tree`](super::ShellExt::fetch_tree).
pub(super) fn fetch<S: Shell + ?Sized>(
    shell: &S,
    from: &Path,
    to: &Path,
    bounds: Bounds,
    limits: &Limits,
) -> Result<Fetched, ShellError> {
    let target = || shell.target().clone();
    let failed = |source| ShellError::File {
        action: "fetch",
        target: target(),
        path: from.to_owned(),
        source,
    };
    let script = format!(r#"[ -d "$1" ] || exit {NO_FOLDER}; exec tar -C "$1" -cf - ."#);
    let command = CommandLine::script(script)
        .arg("pack")
        .arg(from.to_string_lossy());
    let (reader, mut writer) = io::pipe().map_err(failed)?;
    let (fetched, done) = std::thread::scope(|scope| {
        let unpacking = scope.spawn(move || unpack::unpack(reader, to, bounds));
        let done = shell.pipe(&command, &mut io::empty(), &mut writer, limits);
        drop(writer);
        (join(unpacking), done)
    });
    // What was refused here is the cause, that nobody read on only follows.
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::InvalidData;
    match (fetched, done) {
        (Err(error), Ok(_) | Err(ShellError::Io { .. })) if refused(&error) => Err(failed(error)),
        (_, Err(error)) => Err(error),
        (_, Ok(output)) if output.exit == Exit::Code(NO_FOLDER) => Err(ShellError::NoSuchFile {
            target: target(),
            path: from.to_owned(),
        }),
        (_, Ok(output)) if !matches!(output.exit, Exit::Code(0 | CHANGED)) => {
            Err(failed(complaint(output.exit, &output.stderr)))
        }
        (fetched, Ok(_)) => fetched.map_err(failed),
    }
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Copies exactly `length` bytes; a file that became shorter meanwhile is an error.
fn copy_exactly(from: &mut dyn Read, to: &mut dyn Write, length: u64) -> io::Result<()> {
    let copied = io::copy(&mut from.take(length), to)?;
    if copied < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::control::cancel::CancelToken;
    use crate::shell::ShellExt;
    use crate::shell::local::LocalShell;

    #[test]
    fn a_folder_goes_up_and_comes_back_as_it_was() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let from = dir.path().join("from");
        fs::create_dir_all(from.join("a/empty")).expect("writable");
        let long = "n".repeat(200);
        fs::write(from.join("a").join(&long), vec![7; 3_000_000]).expect("writable");
        fs::write(from.join("run.sh"), "#!/bin/sh\n").expect("writable");
        fs::set_permissions(from.join("run.sh"), fs::Permissions::from_mode(0o750)).expect("ours");
        symlink("a/empty", from.join("inside")).expect("writable");
        symlink("/etc/passwd", from.join("outside")).expect("writable");
        let shell = LocalShell::new("here");
        let limits = Limits::new(CancelToken::default());
        let there = dir.path().join("it's there/deep");
        shell.upload_tree(&from, &there, &limits).expect("goes up");
        let back = dir.path().join("back");
        let fetched = shell
            .fetch_tree(&there, &back, Bounds::default(), &limits)
            .expect("comes back");
        assert_eq!((fetched.files, fetched.bytes), (2, 3_000_010));
        assert_eq!(fetched.left_out, ["outside -> /etc/passwd"]);
        assert_eq!(
            fs::read(back.join("a").join(&long)).expect("there").len(),
            3_000_000
        );
        assert!(back.join("a/empty").is_dir());
        assert_eq!(
            fs::read_link(back.join("inside")).expect("a link"),
            Path::new("a/empty")
        );
        let mode = fs::metadata(back.join("run.sh"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o750);

        let again = shell.fetch_tree(&there, &back, Bounds::default(), &limits);
        let Err(ShellError::File { source, .. }) = again else {
            panic!("{again:?}")
        };
        assert!(source.to_string().contains("exists already"), "{source}");
        let small = Bounds {
            bytes: 1000,
            ..Bounds::default()
        };
        let refused = shell.fetch_tree(&there, &dir.path().join("small"), small, &limits);
        let Err(ShellError::File { source, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert!(source.to_string().contains("1000"), "{source}");
        let missing = shell.fetch_tree(Path::new("/no/such"), &back, Bounds::default(), &limits);
        assert!(
            matches!(missing, Err(ShellError::NoSuchFile { .. })),
            "{missing:?}"
        );
        let missing = shell.upload_tree(Path::new("/no/such"), &there, &limits);
        assert!(
            matches!(missing, Err(ShellError::File { .. })),
            "{missing:?}"
        );
    }
}
