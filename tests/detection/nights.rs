//! Which nights count, and in which order.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{history, judge, train, with_status, write};

#[test]
fn order_of_arguments_and_copies_of_nights_change_nothing() {
    let dir = TempDir::new().expect("a directory");
    let mut nights = history(&dir, &|_, _| 1.0);
    train(&dir, &nights);
    let model = fs::read_to_string(dir.path().join("model.json")).expect("written");
    let builds: Value = serde_json::from_str(&model).expect("JSON");
    let first = &builds["__metadata__"]["builds"][0];
    assert_eq!(first["name"], nights[0], "by date, not by name");

    nights.reverse();
    nights.swap(2, 7);
    write(dir.path(), "zz-copy-of-n45", 5, &|_| 1.0);
    nights.push("zz-copy-of-n45".into());
    nights.push(nights[3].clone());
    train(&dir, &nights);
    let again = fs::read_to_string(dir.path().join("model.json")).expect("written");
    assert!(model == again, "the same nights give the same bytes");
}

#[test]
fn what_is_often_absent_is_flaky_and_what_never_was_is_missing() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|night, metric| {
        if metric == "read4" && night % 3 == 1 {
            f64::NAN
        } else {
            1.0
        }
    });
    train(&dir, &nights);
    write(dir.path(), "gaps", 20, &|metric| {
        if metric == "read4" || metric == "read8" {
            f64::NAN
        } else {
            1.0
        }
    });
    // SRC lacks one of them as well: the model remembers it.
    write(dir.path(), "src", 19, &|metric| {
        if metric == "read8" { f64::NAN } else { 1.0 }
    });
    let (code, found) = judge(&dir, &[], "src", "gaps");
    assert_eq!(code, 2);
    assert_eq!(with_status(&found, "missing"), ["read8"]);
    assert_eq!(with_status(&found, "flaky"), ["read4"]);
    // A repetition that has it answers for the build.
    write(dir.path(), "again", 21, &|_| 1.0);
    let (code, found) = judge(&dir, &["--repetitions", "again"], "src", "gaps");
    assert_eq!(code, 0, "{}", found["reason"]);
    assert_eq!(found["repetitions"].as_array().map(Vec::len), Some(1));
}

#[test]
fn nights_in_another_unit_do_not_count() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|night, _| if night < 4 { 1000.0 } else { 1.0 });
    for night in &nights {
        let path = dir
            .path()
            .join(night)
            .join("Localhost/fio/0000/result.json");
        let text = fs::read_to_string(&path).expect("written");
        let unit = if nights[..4].contains(night) {
            "ns"
        } else {
            "us"
        };
        let text = text.replace("\"role\"", &format!("\"unit\":\"{unit}\",\"role\""));
        fs::write(&path, text).expect("written");
    }
    train(&dir, &nights);
    let text = fs::read_to_string(dir.path().join("model.json")).expect("written");
    let model: Value = serde_json::from_str(&text).expect("JSON");
    let entry = &model["Localhost/fio/0000:./read3/throughput/iops_sec.mean"];
    assert_eq!(
        (entry["n"].as_u64(), entry["unit"].as_str()),
        (Some(8), Some("us"))
    );
    let raw = entry["raw"].as_f64().expect("a level");
    assert!((3900.0..4100.0).contains(&raw), "{raw}");
}

#[test]
fn a_test_that_left_nothing_is_missing_however_flaky_its_metrics_are() {
    let dir = TempDir::new().expect("a directory");
    // Every metric of it failed in every fourth night, but never all of them.
    let nights = history(&dir, &|night, metric| {
        let number: usize = metric
            .trim_start_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .expect("a number");
        if (night + number).is_multiple_of(4) {
            f64::NAN
        } else {
            1.0
        }
    });
    train(&dir, &nights);
    write(dir.path(), "gaps", 20, &|metric| {
        if matches!(metric, "read4" | "read8") {
            f64::NAN
        } else {
            1.0
        }
    });
    let (code, found) = judge(&dir, &[], &nights[11], "gaps");
    assert_eq!(
        (code, with_status(&found, "missing")),
        (0, vec![]),
        "{}",
        found["reason"]
    );
    // The same night with nothing of the test, and another test that went on.
    write(dir.path(), "gone", 20, &|_| 1.0);
    let profile = dir.path().join("gone/Localhost");
    fs::rename(profile.join("fio"), profile.join("other")).expect("renamed");
    let (code, found) = judge(&dir, &[], &nights[11], "gone");
    assert_eq!(code, 2);
    assert_eq!(with_status(&found, "flaky"), [""; 0]);
    assert_eq!(with_status(&found, "missing").len(), 24);
    let notes = found["notes"].to_string();
    assert!(
        notes.contains("nothing at all is there of Localhost/fio"),
        "{notes}"
    );
    // With references that lacked it the answer is the same.
    let mut options = vec!["--references", "gaps"];
    options.extend(["gone"; 1]);
    let (code, found) = judge(&dir, &options, &nights[11], "gone");
    assert_eq!((code, with_status(&found, "missing").len()), (2, 24));
}

#[test]
fn a_weekly_test_is_gone_as_usual_on_the_other_days() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    for night in nights
        .iter()
        .filter(|night| !matches!(night.as_str(), "n50" | "n43" | "n40"))
    {
        let profile = dir.path().join(night).join("Localhost");
        fs::rename(profile.join("fio"), profile.join("daily")).expect("renamed");
    }
    train(&dir, &nights);
    write(dir.path(), "tonight", 20, &|_| 1.0);
    let profile = dir.path().join("tonight/Localhost");
    fs::rename(profile.join("fio"), profile.join("daily")).expect("renamed");
    let (code, found) = judge(&dir, &[], &nights[11], "tonight");
    assert_eq!(code, 0, "{}", found["reason"]);
    assert_eq!(
        with_status(&found, "flaky").len(),
        24,
        "{}",
        found["counts"]
    );
}
