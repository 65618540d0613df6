//! The outcome in BenchKit's own layout, for those who read it so far: a block `### HOST` for each.

use super::steps::Ran;

/// Returns standard output of the workers that succeeded, and standard error of those that failed;
/// `None` where there are none.
pub(super) fn blocks(ran: &[(String, Ran)]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let good = |ran: &Ran| ran.exit.success();
    let block = |wanted: bool| {
        let mut text = Vec::new();
        for (host, ran) in ran.iter().filter(|(_, ran)| good(ran) == wanted) {
            text.extend_from_slice(format!("### {host}\n").as_bytes());
            let output = if wanted { &ran.stdout } else { &ran.stderr };
            text.extend_from_slice(output);
            if !output.ends_with(b"\n") {
                text.push(b'\n');
            }
        }
        (!text.is_empty()).then_some(text)
    };
    (block(true), block(false))
}

#[cfg(test)]
mod unit {
    use std::time::Duration;

    use super::*;
    use crate::shell::Exit;

    fn ran(code: i32, stdout: &str, stderr: &str) -> Ran {
        Ran {
            exit: Exit::Code(code),
            stdout: stdout.into(),
            stderr: stderr.into(),
            started: jiff::Timestamp::UNIX_EPOCH,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn good_hosts_keep_their_output_when_one_fails() {
        let all = [
            ("10.244.1.11".to_owned(), ran(0, "score 41\n", "debug\n")),
            ("10.244.2.12".to_owned(), ran(0, "score 42", "")),
            ("10.244.2.13".to_owned(), ran(7, "partial\n", "boom\n")),
        ];
        let (good, bad) = blocks(&all);
        let text = |bytes: Option<Vec<u8>>| bytes.map(|b| String::from_utf8_lossy(&b).into_owned());
        assert_eq!(
            text(good).as_deref(),
            Some("### 10.244.1.11\nscore 41\n### 10.244.2.12\nscore 42\n")
        );
        assert_eq!(text(bad).as_deref(), Some("### 10.244.2.13\nboom\n"));
        let (_, bad) = blocks(&all[..2]);
        assert!(bad.is_none(), "no file when nobody failed");
    }
}
