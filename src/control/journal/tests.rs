use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::secret::Secret;
use crate::shell::scripted::{ScriptedShell, Trouble};

fn remove(path: &str) -> Undo {
    Undo::RemovePath {
        on: "foo".into(),
        path: path.into(),
        tree: false,
    }
}

fn header() -> Header {
    Header::new(
        "run-1",
        vec![MachineRef {
            name: "foo".into(),
            address: "192.0.2.17".into(),
            user: None,
            port: None,
        }],
    )
}

fn machine(shell: &ScriptedShell) -> impl Fn(&TargetRef) -> Result<Arc<dyn Shell>, String> {
    let shell = shell.clone();
    move |on| match on.0.as_str() {
        "foo" => Ok(Arc::new(shell.clone())),
        other => Err(format!("no machine {other}")),
    }
}

/// A journal of three changes, the middle one undone, as it lies on disk.
fn written() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::create(folder.path(), header(), Redactor::default()).expect("begun");
    let mut steps = Vec::new();
    for path in ["/a/1", "/a/2", "/a/3"] {
        let step = journal.plan("foo", remove(path)).expect("planned");
        step.armed();
        steps.push(step);
    }
    steps[1].done();
    std::fs::read(folder.path().join(FILE_NAME)).expect("readable")
}

fn paths(journal: &Journal) -> Vec<String> {
    let left = journal.left();
    left.iter().map(|entry| entry.undo.to_string()).collect()
}

#[test]
fn changes_are_taken_back_in_reverse_order_and_only_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = ScriptedShell::new("foo").answer("rm *", "");
    let journal = Journal::create(folder.path(), header(), Redactor::default()).expect("begun");
    for path in ["/a/1", "/a/2"] {
        journal.plan("foo", remove(path)).expect("planned").armed();
    }
    let unarmed = journal
        .plan("foo/Localhost", remove("/a/3"))
        .expect("planned");
    drop((unarmed, journal));

    let journal = Journal::open(folder.path(), Redactor::default()).expect("read back");
    assert_eq!(journal.header(), header());
    let replayed = journal.replay(|_| true, &machine(&shell));
    assert_eq!(replayed.undone.len(), 3);
    assert!(journal.finish(), "nothing is left");
    drop(journal);
    assert_eq!(
        shell.commands(),
        ["rm -f -- /a/3", "rm -f -- /a/2", "rm -f -- /a/1"]
    );

    let again = Journal::open(folder.path(), Redactor::default()).expect("read back");
    assert_eq!(
        again.replay(|_| true, &machine(&shell)),
        Replayed::default()
    );
    assert_eq!(shell.commands().len(), 3, "nothing is done twice");
}

#[test]
fn what_cannot_be_undone_is_noted_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = ScriptedShell::new("foo")
        .trouble("rm -f -- /a/2", Trouble::Lost)
        .answer("rm *", "");
    let journal = Journal::create(folder.path(), header(), Redactor::default()).expect("begun");
    for path in ["/a/1", "/a/2"] {
        journal.plan("foo", remove(path)).expect("planned").armed();
    }
    let elsewhere = Undo::Command {
        on: "bar".into(),
        argv: vec!["true".into()],
    };
    let _step = journal.plan("bar", elsewhere).expect("planned");
    let replayed = journal.replay(|_| true, &machine(&shell));
    let left: Vec<&str> = replayed.left.iter().map(|left| left.on.as_str()).collect();
    assert_eq!(left, ["bar", "foo"]);
    assert_eq!(replayed.left[0].message, "no machine bar");
    assert_eq!(
        replayed.undone,
        [("foo".to_owned(), "remove /a/1".to_owned())]
    );
    assert!(!journal.finish());
    let text = std::fs::read_to_string(folder.path().join(FILE_NAME)).expect("readable");
    assert!(
        text.contains(r#""event":"failed","of":4,"#) && !text.contains("clean"),
        "{text}"
    );
}

#[test]
fn a_run_that_goes_on_cannot_be_recovered() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::create(folder.path(), header(), Redactor::default()).expect("begun");
    let open = || Journal::open(folder.path(), Redactor::default());
    assert!(matches!(open(), Err(JournalError::Alive { .. })));
    assert!(Journal::peek(folder.path()).is_ok(), "looking is free");
    drop(journal);
    assert!(open().is_ok());
}

#[test]
fn a_secret_never_reaches_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let redactor = Redactor::default();
    redactor.learn(&Secret::new("hunter2"));
    let journal = Journal::create(folder.path(), header(), redactor).expect("begun");
    let planned = journal.plan("foo", remove("/home/hunter2/x"));
    assert!(matches!(planned, Err(JournalError::Secret)));
    let text = std::fs::read_to_string(folder.path().join(FILE_NAME)).expect("readable");
    assert!(!text.contains("hunter2"));
    assert!(journal.left().is_empty());
}

#[test]
fn a_step_of_a_later_version_is_left_and_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::create(folder.path(), header(), Redactor::default()).expect("begun");
    drop(journal);
    let path = folder.path().join(FILE_NAME);
    let mut text = std::fs::read_to_string(&path).expect("readable");
    text.push_str("{\"n\":2,\"at\":\"\",\"event\":\"plan\",\"scope\":\"foo\",\"undo\":{\"warp\":{\"on\":\"foo\"}},\"more\":1}\n");
    std::fs::write(&path, text).expect("written");
    let journal = Journal::open(folder.path(), Redactor::default()).expect("read back");
    let replayed = journal.replay(|_| true, &machine(&ScriptedShell::new("foo")));
    assert_eq!(
        (replayed.left[0].on.as_str(), replayed.left[0].step.as_str()),
        ("foo", "`warp`")
    );
    assert!(!journal.finish());
}

#[test]
fn other_files_are_no_journals_and_an_empty_one_is_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Journal::open(folder.path(), Redactor::default());
    assert!(matches!(open(), Err(JournalError::None { .. })));
    let path = folder.path().join(FILE_NAME);
    std::fs::write(&path, "{\"n\":1,\"at\":\"\",\"event\":\"clean\"}\n").expect("written");
    assert!(matches!(open(), Err(JournalError::Foreign { .. })));
    // Killed before the first line was whole.
    std::fs::write(&path, "{\"n\":1,\"at").expect("written");
    let journal = open().expect("nothing was changed");
    assert!(journal.left().is_empty());
}

proptest! {
    /// Wherever a crash cuts the file, every change whose plan is whole is undone, and none twice.
    #[test]
    fn a_journal_cut_anywhere_still_names_what_was_changed(cut in 0_usize..2000) {
        let whole = written();
        let cut = cut.min(whole.len());
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, &whole[..cut]).expect("written");
        let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
        let journal = Journal::open(folder.path(), Redactor::default()).expect("read");
        // Lines: run, plan 1, armed, plan 2, armed, plan 3, armed, undone 2.
        let expected: Vec<&str> = [(8, "/a/2"), (6, "/a/3"), (4, "/a/2"), (2, "/a/1")]
            .iter()
            .filter(|(at, path)| lines >= *at && *path != "/a/2" || *at == 4 && (4..8).contains(&lines))
            .map(|(_, path)| *path)
            .collect();
        let expected: Vec<String> = expected.iter().map(|path| format!("remove {path}")).collect();
        prop_assert_eq!(paths(&journal), expected);
        prop_assert_eq!(journal.unreadable(), 0);
        let next = journal.plan("foo", remove("/a/9")).expect("goes on after a torn line");
        next.armed();
        drop((next, journal));
        let again = Journal::open(folder.path(), Redactor::default());
        if lines > 0 {
            prop_assert_eq!(&paths(&again.expect("read"))[0], "remove /a/9");
        }
    }

    /// Whatever happens to its bytes, reading does not panic, does nothing outside of what steps may
    /// do, and never says clean when a line was lost.
    #[test]
    fn a_mutated_journal_is_read_without_panic(
        at in 0_usize..2000, with in any::<u8>(), also in 0_usize..2000, cut in any::<bool>()
    ) {
        let mut bytes = written();
        let length = bytes.len();
        bytes[at % length] = with;
        if cut {
            bytes.remove(also % length);
        }
        let read = line::read(&bytes);
        let whole = line::read(&written());
        let known: BTreeSet<u64> = whole.entries.iter().map(|entry| entry.n).collect();
        let lost = whole.entries.len() > read.entries.len();
        prop_assert!(!lost || read.unreadable > 0 || bytes.last() != Some(&b'\n'), "{known:?}");
        for entry in &read.entries {
            if let Recorded::Known(undo) = &entry.undo {
                let _ = undo.command();
            }
        }
    }
}
