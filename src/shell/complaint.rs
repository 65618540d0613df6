//! What small programs on a machine complain about, as errors.

use std::io;

use super::Exit;

/// Returns the last line a program printed as an error of the kind it tells, or how it ended.
pub(crate) fn complaint(exit: Exit, messages: &[u8]) -> io::Error {
    let text = String::from_utf8_lossy(messages);
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    // `tar` ends with a line that says only that there were errors.
    let line = lines()
        .rfind(|line| kind_of(line).is_some())
        .or_else(|| lines().next_back());
    match line {
        Some(line) => io::Error::new(
            kind_of(line).unwrap_or(io::ErrorKind::Other),
            line.to_owned(),
        ),
        None => io::Error::other(exit.to_string()),
    }
}

/// Tells errors apart by what coreutils and BusyBox print for them.
fn kind_of(message: &str) -> Option<io::ErrorKind> {
    [
        ("No space left on device", io::ErrorKind::StorageFull),
        ("Disk quota exceeded", io::ErrorKind::QuotaExceeded),
        ("Permission denied", io::ErrorKind::PermissionDenied),
        ("Read-only file system", io::ErrorKind::ReadOnlyFilesystem),
        ("No such file or directory", io::ErrorKind::NotFound),
    ]
    .into_iter()
    .find_map(|(text, kind)| message.contains(text).then_some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_tells_the_cause_is_the_error() {
        let error = complaint(
            Exit::Code(2),
            b"tar: a: Cannot write: No space left on device\ntar: Exiting with failure status due to previous errors\n",
        );
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(
            error.to_string(),
            "tar: a: Cannot write: No space left on device"
        );
        assert_eq!(complaint(Exit::Code(1), b"x\nodd\n\n").to_string(), "odd");
        assert_eq!(complaint(Exit::Signal(9), b"").to_string(), "signal 9");
    }
}
