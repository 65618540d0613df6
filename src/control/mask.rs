//! The command line as `RUNPERF_METADATA` may keep it: no password, no metadata, setup scripts
//! by their hash, distributions by a fixed word so that runs on several of them compare equal.

use std::path::Path;

use sha1::{Digest, Sha1};

/// Masks a command line, program first, and joins it by blanks.
///
/// `options` are all long options of the program; a shortened one is resolved as the parser
/// resolves it, and `--option=value` is masked like two words. `clean` removes known secrets
/// from every other word.
pub fn mask(words: &[String], options: &[String], clean: &dyn Fn(&str) -> String) -> String {
    let mut masked: Vec<String> = Vec::with_capacity(words.len());
    let mut rule = Rule::None;
    let mut after_dashes = false;
    for (index, word) in words.iter().enumerate() {
        if index == 0 {
            let name = Path::new(word)
                .file_name()
                .map_or_else(|| word.clone(), |name| name.to_string_lossy().into_owned());
            masked.push(name);
        } else if after_dashes {
            masked.push(clean(word));
        } else if word == "--" {
            after_dashes = true;
            masked.push(word.clone());
        } else if let Some(option) = word.strip_prefix("--") {
            let (typed, value) = option
                .split_once('=')
                .map_or((option, None), |(name, value)| (name, Some(value)));
            rule = Rule::of(resolve(typed, options));
            match value {
                None => masked.push(word.clone()),
                Some(value) => {
                    masked.push(format!("--{typed}={}", rule.apply(value, clean)));
                    rule = Rule::None;
                }
            }
        } else if word.starts_with('-') && word.len() > 1 {
            rule = Rule::None;
            masked.push(clean(word));
        } else {
            masked.push(rule.apply(word, clean));
            if rule.takes_one() {
                rule = Rule::None;
            }
        }
    }
    masked.join(" ")
}

#[derive(Clone, Copy)]
enum Rule {
    None,
    Word(&'static str),
    Every,
    Script,
}

impl Rule {
    fn of(option: Option<&str>) -> Self {
        match option {
            Some("distro") => Rule::Word("DISTRO"),
            Some("guest-distro") => Rule::Word("GUEST_DISTRO"),
            Some("default-passwords" | "metadata") => Rule::Every,
            Some("host-setup-script" | "worker-setup-script") => Rule::Script,
            // Whatever it is, the parser refused it or will: better too little than a secret.
            None => Rule::Every,
            Some(_) => Rule::None,
        }
    }

    fn takes_one(self) -> bool {
        matches!(self, Rule::Word(_) | Rule::Script)
    }

    fn apply(self, word: &str, clean: &dyn Fn(&str) -> String) -> String {
        match self {
            Rule::None => clean(word),
            Rule::Word(fixed) => fixed.to_owned(),
            Rule::Every => "MASKED".to_owned(),
            Rule::Script => match std::fs::read(word) {
                Ok(content) => format!("sha1:{}", &hex(&Sha1::digest(content))[..6]),
                Err(_) => "sha1:unknown".to_owned(),
            },
        }
    }
}

/// Returns the option a typed name means: itself, or the only one it begins.
fn resolve<'a>(typed: &str, options: &'a [String]) -> Option<&'a str> {
    if let Some(exact) = options.iter().find(|option| *option == typed) {
        return Some(exact);
    }
    let mut fitting = options.iter().filter(|option| option.starts_with(typed));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Returns bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(line: &str) -> String {
        let options = [
            "distro",
            "guest-distro",
            "default-passwords",
            "metadata",
            "hosts",
            "host-setup-script",
            "output",
            "profiles",
        ];
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        mask(&words, &options.map(str::to_owned), &|word| {
            word.replace("s3cret", "***")
        })
    }

    #[test]
    fn the_example_of_the_older_tool_reads_the_same() {
        assert_eq!(
            masked(
                "/usr/bin/run-perf --hosts foo:foo.example.org --distro Fedora-32 --metadata build=57 --profiles Localhost -- fio"
            ),
            "run-perf --hosts foo:foo.example.org --distro DISTRO --metadata MASKED --profiles Localhost -- fio"
        );
    }

    #[test]
    fn passwords_disappear_in_every_spelling() {
        for line in [
            "run-perf --default-passwords s3cret other -- fio",
            "run-perf --default-password s3cret other -- fio",
            "run-perf --def s3cret other -- fio",
        ] {
            let masked = masked(line);
            assert!(masked.ends_with("MASKED MASKED -- fio"), "{masked}");
        }
        assert_eq!(
            masked("run-perf --default-passwords=s3cret --hosts a -- fio"),
            "run-perf --default-passwords=MASKED --hosts a -- fio"
        );
        assert_eq!(
            masked("run-perf --meta=a=s3cret --m b=c -- fio"),
            "run-perf --meta=MASKED --m MASKED -- fio"
        );
        assert_eq!(
            masked("run-perf --output s3cret -- fio:s3cret"),
            "run-perf --output *** -- fio:***"
        );
    }

    #[test]
    fn scripts_are_named_by_what_they_hold() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let script = dir.path().join("setup.sh");
        std::fs::write(&script, "abc").expect("written");
        // printf abc | sha1sum: a9993e36...
        let line = format!(
            "run-perf --host-setup-script {} --output o -- fio",
            script.display()
        );
        assert_eq!(
            masked(&line),
            "run-perf --host-setup-script sha1:a9993e --output o -- fio"
        );
    }
}
