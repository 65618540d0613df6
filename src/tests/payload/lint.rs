//! What makes an archive a payload (specification v1.1): `payload.sh`, a file its owner may read and execute.

use std::path::Path;

use crate::archive::{self, Contents, Fault, Kind, Limits};

/// What is executed.
pub const ENTRY_POINT: &str = "payload.sh";
/// Read and execute, for the owner.
const READ_AND_EXECUTE: u32 = 0o500;

/// Inspects a payload on disk: every fault of the archive, then those of the entry point.
///
/// # Errors
/// When it cannot be opened.
pub fn lint(path: &Path, limits: &Limits) -> std::io::Result<Contents> {
    let mut contents = archive::inspect_file(path, limits)?;
    // Of an archive that could not be read to its end nothing is known about what it lacks.
    let whole = !contents.faults.iter().any(|fault| {
        ["format", "truncated", "too-large", "too-many"].contains(&fault.class)
            || fault.class == "damaged" && fault.member.is_none()
    });
    let found = contents
        .members
        .iter()
        .find(|member| member.path == Path::new(ENTRY_POINT))
        .cloned();
    let fault = match found {
        None if whole => {
            let near = contents
                .members
                .iter()
                .find(|member| member.path.file_name() == Some(ENTRY_POINT.as_ref()));
            let near = near.map_or_else(String::new, |member| {
                let place = crate::text::one_line(&member.path.to_string_lossy());
                format!(", but there is `{place}`: pack the content of the folder, not the folder")
            });
            Some(format!(
                "entrypoint: missing: expected `{ENTRY_POINT}` at the top, found none{near}"
            ))
        }
        None => None,
        Some(member) if member.kind != Kind::File => {
            let what = match member.kind {
                Kind::Folder => "a folder",
                Kind::Link(_) => "a symbolic link",
                Kind::HardLink(_) => "a hard link",
                Kind::Other(what) => what,
                Kind::File => "a file",
            };
            Some(format!(
                "entrypoint: not regular file: expected `{ENTRY_POINT}` to be a file, found {what}"
            ))
        }
        Some(member) if member.mode & READ_AND_EXECUTE != READ_AND_EXECUTE => Some(format!(
            "entrypoint: not executable: expected `{ENTRY_POINT}` to be readable and executable by its owner, found mode {:04o}",
            member.mode & 0o7777
        )),
        Some(_) => None,
    };
    if let Some(message) = fault {
        contents.faults.push(Fault {
            class: "entrypoint",
            member: None,
            message,
        });
    }
    Ok(contents)
}

/// Says what to do about the first fault.
pub fn hint(faults: &[Fault]) -> Option<&'static str> {
    Some(match faults.first()?.class {
        "format" => "pack it with `tar -czf payload.tgz -C FOLDER .`",
        "entrypoint" => {
            "put an executable `payload.sh` at the top (`chmod 755 payload.sh`) and pack it with `tar -czf payload.tgz -C FOLDER .`"
        }
        "truncated" | "damaged" => "copy or pack it again",
        "too-large" => "raise `max-unpacked-mib` if it is meant to be that large",
        "too-many" => "raise `max-entries` if it is meant to hold that many",
        _ => {
            "pack it again from a folder that holds only what is needed, with `tar -czf payload.tgz -C FOLDER .`"
        }
    })
}
