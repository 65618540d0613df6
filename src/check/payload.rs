//! Payload archives.

use std::path::Path;

use serde_json::{Value, json};

use super::{Checked, Finding};
use crate::archive::Kind as Member;
use crate::archive::Limits;
use crate::tests::payload::lint::{hint, lint};
use crate::text::one_line;

/// Members that are described one by one.
const SHOWN: usize = 200;

pub(super) fn look(path: &Path, limits: Limits, checked: &mut Checked) {
    let contents = match lint(path, &limits) {
        Ok(contents) => contents,
        Err(error) => {
            return checked.fault(Finding::new("", format!("cannot read it: {error}")));
        }
    };
    for fault in &contents.faults {
        let place = fault
            .member
            .as_ref()
            .map(|member| format!("member `{member}`"));
        let finding = Finding::new(place.unwrap_or_default(), fault.message.as_str());
        checked.fault(match hint(std::slice::from_ref(fault)) {
            Some(step) => finding.next(step),
            None => finding,
        });
    }
    checked.more_faults = contents.more_faults;
    for note in &contents.notes {
        checked.note(Finding::new("", note.as_str()));
    }
    for member in &contents.members {
        if member.mode & 0o6000 != 0 {
            let place = format!("member `{}`", member.path.display());
            checked.note(Finding::new(
                place,
                "runs with the rights of its owner (setuid or setgid)",
            ));
        }
    }
    checked.say("bytes", contents.packed);
    checked.say("unpacked_bytes", contents.unpacked);
    checked.say("sha256", contents.sha256);
    checked.say("members", contents.members.len());
    let list: Vec<Value> = contents
        .members
        .iter()
        .take(SHOWN)
        .map(|member| {
            let (kind, to) = match &member.kind {
                Member::File => ("file", None),
                Member::Folder => ("folder", None),
                Member::Link(to) => ("link", Some(to)),
                Member::HardLink(to) => ("hard link", Some(to)),
                Member::Other(what) => (*what, None),
            };
            let mut entry = json!({
                "path": one_line(&member.path.to_string_lossy()),
                "kind": kind,
                "mode": format!("{:04o}", member.mode & 0o7777),
                "bytes": member.size,
            });
            if let Some(to) = to {
                entry["to"] = one_line(&to.to_string_lossy()).into();
            }
            entry
        })
        .collect();
    checked.say("contents", list);
}
