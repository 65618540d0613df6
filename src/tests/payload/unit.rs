//! Which archives are payloads, and what parameters are refused. Real runs are in `tests/`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::archive::Limits;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/benchkit/payloads")
        .join(name)
}

fn faults(name: &str) -> Vec<String> {
    let contents = lint::lint(&fixture(name), &Limits::default()).expect("it is there");
    contents.faults.iter().map(ToString::to_string).collect()
}

fn built(params: Value) -> Result<Box<dyn Test>, String> {
    let params = params.as_object().expect("an object").clone();
    build("payload".into(), &params).map_err(|error| error.to_string())
}

#[test]
fn good_payloads_pass() {
    for name in [
        "ok-plain-name.tgz",
        "ok-dot-slash-with-second-script.tgz",
        "ok-lint-but-exit-7.tgz",
    ] {
        assert_eq!(faults(name), [""; 0], "{name}");
    }
}

#[test]
fn bad_payloads_fail_for_the_reason_in_their_name() {
    for (name, start) in [
        ("bad-not-an-archive.tgz", "format: unsupported: "),
        ("bad-plain-tar.tgz", "format: unsupported: "),
        ("bad-missing-entrypoint.tgz", "entrypoint: missing: "),
        ("bad-entrypoint-in-subfolder.tgz", "entrypoint: missing: "),
        (
            "bad-entrypoint-is-directory.tgz",
            "entrypoint: not regular file: ",
        ),
        ("bad-mode-0000.tgz", "entrypoint: not executable: "),
        (
            "bad-not-executable-0600.tgz",
            "entrypoint: not executable: ",
        ),
    ] {
        let faults = faults(name);
        assert_eq!(faults.len(), 1, "{name}: {faults:?}");
        assert!(faults[0].starts_with(start), "{name}: {faults:?}");
    }
    // Its target is outside as well.
    let faults = faults("bad-entrypoint-is-symlink.tgz");
    assert!(
        faults[1].starts_with("entrypoint: not regular file: "),
        "{faults:?}"
    );
}

#[test]
fn a_hidden_entry_point_is_pointed_at() {
    assert!(faults("bad-entrypoint-in-subfolder.tgz")[0].contains("there is `sub/payload.sh`"));
}

#[test]
fn a_bad_archive_is_refused_before_the_run() {
    let refused = |name: &str| built(json!({"archive": fixture(name)})).map(drop);
    let message = refused("bad-mode-0000.tgz").expect_err("refused");
    assert!(
        message.contains("found mode 0000") && message.contains("chmod 755"),
        "{message}"
    );
    let message = refused("no-such-file.tgz").expect_err("refused");
    assert!(message.contains("cannot read"), "{message}");
    let folder = built(json!({"archive": fixture("")})).map(drop);
    assert!(folder.expect_err("refused").contains("no regular file"));
    let message = built(json!({"archive": fixture("ok-plain-name.tgz"), "max-entries": 0}));
    assert!(
        message
            .map(drop)
            .expect_err("refused")
            .contains("at most 0 members")
    );
}

#[test]
fn parameters_that_cannot_be_meant_are_refused() {
    let archive = fixture("ok-plain-name.tgz");
    for (key, value, expected) in [
        ("root", json!("relative"), "an absolute path"),
        ("root", json!("/opt/../etc"), "without `..`"),
        ("samples", json!(0), "at least 1"),
        ("timeout", json!(-1), "seconds from 0 on"),
        ("metrics", json!("all"), "expected a list"),
        (
            "metrics",
            json!([{"name": "a", "file": "x"}]),
            "standard output",
        ),
        (
            "metrics",
            json!([{"name": "a"}, {"name": "a"}]),
            "there twice",
        ),
        ("clan", json!(true), "did you mean `clean`?"),
    ] {
        let mut params = json!({"archive": archive});
        params[key] = value;
        let message = built(params).map(drop).expect_err(key);
        assert!(message.contains(expected), "{key}: {message}");
    }
    let message = built(json!({"archive": archive, "root": "/opt", "clean": true}));
    assert!(
        message
            .map(drop)
            .expect_err("refused")
            .contains("folder below"),
        "`clean` never removes a folder of the system"
    );
    assert!(
        built(json!({}))
            .map(drop)
            .expect_err("refused")
            .contains("found none")
    );
    assert!(built(json!({"archive": archive, "root": "/"})).is_ok());
}

#[test]
fn the_plan_says_what_is_sent_and_what_stays() {
    let archive = fixture("ok-dot-slash-with-second-script.tgz");
    let plan = |clean: bool| {
        built(json!({"archive": archive, "clean": clean}))
            .expect("fits")
            .describe()
            .join("\n")
    };
    assert!(plan(false).contains("2 members"), "{}", plan(false));
    assert!(plan(false).ends_with("what it writes stays on the workers"));
    assert!(plan(true).ends_with("removes /opt/benchkit afterwards"));
}
