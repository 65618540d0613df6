//! The part of OpenSSH's client configuration that says how to reach a machine.
//!
//! `Host` with patterns, `HostName`, `User`, `Port`, `IdentityFile`, `IdentitiesOnly`, `ProxyJump`,
//! `UserKnownHostsFile`, `ConnectTimeout` and `Include` are understood as ssh_config(5) has them; the first value
//! found wins, identity files add up. Other keywords, and `Match` sections but `Match all`, are left
//! out.

use std::path::{Path, PathBuf};

use crate::control::options::expand_home;

/// How deep files may include each other.
const INCLUDE_DEPTH: u8 = 8;

/// What is said about one machine; `None` where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) host_name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) identity_files: Vec<PathBuf>,
    pub(super) identities_only: Option<bool>,
    pub(super) known_hosts: Option<Vec<PathBuf>>,
    pub(super) proxy_jump: Option<String>,
    /// Seconds.
    pub(super) connect_timeout: Option<u64>,
}

/// Lines of configuration in order, included files in their place.
#[derive(Debug, Clone, Default)]
pub(super) struct SshConfig {
    lines: Vec<(String, Vec<String>)>,
}

impl SshConfig {
    /// Reads the person's own file and the system's, or `instead`; one that is missing is empty.
    pub(super) fn load(instead: Option<&Path>) -> Self {
        let mut config = Self::default();
        if let Some(file) = instead {
            config.read(file, file.parent().unwrap_or(Path::new(".")), 0);
            return config;
        }
        for (file, base) in [
            ("~/.ssh/config", "~/.ssh"),
            ("/etc/ssh/ssh_config", "/etc/ssh"),
        ] {
            let (file, base) = (expand_home(Path::new(file)), expand_home(Path::new(base)));
            config.read(&file, &base, 0);
            // A section ends with its file.
            config.lines.push(("host".into(), vec!["*".into()]));
        }
        config
    }

    /// Reads one text; `Include` is relative to `base`.
    #[cfg(test)]
    pub(super) fn parse(text: &str) -> Self {
        let mut config = Self::default();
        config.add(text, Path::new("/nonexistent"), 0);
        config
    }

    fn read(&mut self, file: &Path, base: &Path, depth: u8) {
        match std::fs::read_to_string(file) {
            Ok(text) => self.add(&text, base, depth),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "cannot read the ssh configuration, going on without");
            }
        }
    }

    fn add(&mut self, text: &str, base: &Path, depth: u8) {
        for line in text.lines() {
            let Some((keyword, values)) = words(line) else {
                continue;
            };
            if keyword != "include" {
                self.lines.push((keyword, values));
                continue;
            }
            if depth >= INCLUDE_DEPTH {
                tracing::warn!("ssh configuration files include each other too deeply");
                continue;
            }
            for pattern in values {
                for file in glob(&base.join(expand_home(Path::new(&pattern)))) {
                    self.read(&file, base, depth + 1);
                }
            }
        }
    }

    /// Returns what is said about the machine that was typed as `host`.
    pub(super) fn entry(&self, host: &str) -> Entry {
        let mut entry = Entry::default();
        let mut applies = true;
        for (keyword, values) in &self.lines {
            match keyword.as_str() {
                "host" => applies = matches_host(values, host),
                "match" => {
                    applies = values
                        .first()
                        .is_some_and(|word| word.eq_ignore_ascii_case("all"));
                }
                _ if applies => entry.set(keyword, values),
                _ => {}
            }
        }
        if let Some(name) = &mut entry.host_name {
            *name = name.replace("%h", host).replace("%%", "%");
        }
        entry
    }
}

impl Entry {
    fn set(&mut self, keyword: &str, values: &[String]) {
        let Some(first) = values.first() else { return };
        match keyword {
            "hostname" => drop(self.host_name.get_or_insert_with(|| first.clone())),
            "user" => drop(self.user.get_or_insert_with(|| first.clone())),
            "port" if self.port.is_none() => self.port = first.parse().ok(),
            "connecttimeout" if self.connect_timeout.is_none() => {
                self.connect_timeout = first.parse().ok();
            }
            "identityfile" if !first.eq_ignore_ascii_case("none") => {
                self.identity_files.push(first.into());
            }
            "identitiesonly" if self.identities_only.is_none() => {
                self.identities_only = Some(first.eq_ignore_ascii_case("yes"));
            }
            "userknownhostsfile" if self.known_hosts.is_none() => {
                let files = values
                    .iter()
                    .filter(|file| !file.eq_ignore_ascii_case("none"));
                self.known_hosts = Some(files.map(PathBuf::from).collect());
            }
            "proxyjump" => drop(self.proxy_jump.get_or_insert_with(|| first.clone())),
            _ => {}
        }
    }
}

/// Replaces `~`, `%d` (home), `%h`, `%p`, `%r` and `%%` in the name of a file.
pub(super) fn expand(path: &Path, host: &str, port: u16, user: &str) -> PathBuf {
    let path = expand_home(path);
    let Some(text) = path.to_str().filter(|text| text.contains('%')) else {
        return path;
    };
    let mut expanded = String::new();
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match (sign, if sign == '%' { signs.next() } else { None }) {
            ('%', Some('d')) => expanded.push_str(&std::env::var("HOME").unwrap_or_default()),
            ('%', Some('h')) => expanded.push_str(host),
            ('%', Some('p')) => expanded.push_str(&port.to_string()),
            ('%', Some('r')) => expanded.push_str(user),
            ('%', Some('%') | None) => expanded.push('%'),
            ('%', Some(other)) => expanded.extend(['%', other]),
            (other, _) => expanded.push(other),
        }
    }
    expanded.into()
}

/// Splits `Keyword value…` or `Keyword=value`; values may stand in double quotes.
fn words(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(line.len());
    let rest = line[end..].trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let mut values = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut begun) = (false, false);
    for sign in rest.chars() {
        match sign {
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            sign if sign.is_whitespace() && !quoted => {
                if std::mem::take(&mut begun) {
                    values.push(std::mem::take(&mut word));
                }
            }
            '#' if !quoted && !begun => break,
            sign => {
                word.push(sign);
                begun = true;
            }
        }
    }
    if begun {
        values.push(word);
    }
    Some((line[..end].to_lowercase(), values))
}

/// A negated pattern that fits excludes the host whatever else fits.
fn matches_host(patterns: &[String], host: &str) -> bool {
    let fits = |pattern: &str| matches_pattern(&pattern.to_lowercase(), &host.to_lowercase());
    let excluded = patterns
        .iter()
        .filter_map(|p| p.strip_prefix('!'))
        .any(fits);
    !excluded
        && patterns
            .iter()
            .filter(|p| !p.starts_with('!'))
            .any(|p| fits(p))
}

/// `*` stands for any text, `?` for one sign.
pub(super) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(sign) if *sign == '?' || *sign == text[t] => {
                p += 1;
                t += 1;
            }
            // The last star takes one sign more.
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|sign| *sign == '*')
}

/// Files that fit a pattern whose last part may hold `*` and `?`, in order.
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if !name.contains(['*', '?']) {
        return vec![pattern.to_owned()];
    }
    let entries = pattern.parent().map(std::fs::read_dir);
    let mut files: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|found| matches_pattern(name, found))
        })
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_wins_and_identity_files_add_up() {
        let config = SshConfig::parse(
            "Port=2022\n# comment\nHost lab-* !lab-9\n  HostName %h.example.org\n  User admin\n  IdentityFile \"~/keys/a b\"\n\
             Host *\n  User nobody\n  IdentityFile ~/.ssh/other\n  ProxyJump gate,root@[::1]:23\n",
        );
        let entry = config.entry("lab-1");
        assert_eq!(entry.host_name.as_deref(), Some("lab-1.example.org"));
        assert_eq!(
            (entry.user.as_deref(), entry.port),
            (Some("admin"), Some(2022))
        );
        assert_eq!(
            entry.identity_files,
            [PathBuf::from("~/keys/a b"), "~/.ssh/other".into()]
        );
        assert_eq!(entry.proxy_jump.as_deref(), Some("gate,root@[::1]:23"));
        let excluded = config.entry("lab-9");
        assert_eq!(
            (excluded.user.as_deref(), excluded.host_name),
            (Some("nobody"), None)
        );
    }

    #[test]
    fn sections_that_need_a_match_are_left_out() {
        let config = SshConfig::parse("Match user root\n User wrong\nMatch all\n User right\n");
        assert_eq!(config.entry("a").user.as_deref(), Some("right"));
    }

    #[test]
    fn patterns_stand_for_any_text() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("192.0.2.?", "192.0.2.17", false),
            ("192.0.2.1?", "192.0.2.17", true),
            ("", "a", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn tokens_are_replaced_in_file_names() {
        assert_eq!(
            expand(Path::new("/k/%r@%h:%p%%%x"), "h", 22, "u"),
            Path::new("/k/u@h:22%%x")
        );
    }
}
