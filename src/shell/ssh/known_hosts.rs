//! Host keys: files of known ones, as sshd(8) describes them, and what a key that is shown means.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha1::{Digest, Sha1};

use super::config::matches_pattern;

/// What the files say about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It belongs to the host.
    Known,
    /// The host is not in the files.
    Unknown,
    /// The host has another key in this file at this line.
    Changed { file: PathBuf, line: usize },
    /// The key is marked as revoked there.
    Revoked { file: PathBuf, line: usize },
}

/// Keys of one host in the files.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownKeys {
    keys: Vec<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    file: PathBuf,
    line: usize,
    revoked: bool,
    kind: String,
    key: Vec<u8>,
}

impl KnownKeys {
    /// Reads what the files hold about `name` (see [`host_pattern`]); missing files are empty.
    pub(super) fn load(files: &[PathBuf], name: &str) -> Self {
        let mut keys = Vec::new();
        for file in files {
            let text = match std::fs::read(file) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "cannot read known hosts");
                    continue;
                }
            };
            for (index, line) in text.lines().enumerate() {
                if let Some((revoked, kind, key)) = parse(line, name) {
                    keys.push(Known {
                        file: file.clone(),
                        line: index + 1,
                        revoked,
                        kind,
                        key,
                    });
                }
            }
        }
        Self { keys }
    }

    /// Returns the kinds of the host's keys, so that the server is asked for one of these.
    pub(super) fn kinds(&self) -> Vec<&str> {
        self.keys
            .iter()
            .filter(|known| !known.revoked)
            .map(|known| known.kind.as_str())
            .collect()
    }

    /// Judges the key a server has shown.
    pub(super) fn judge(&self, key: &[u8]) -> Verdict {
        let place = |known: &Known| (known.file.clone(), known.line);
        if let Some(known) = self
            .keys
            .iter()
            .find(|known| known.revoked && known.key == key)
        {
            let (file, line) = place(known);
            return Verdict::Revoked { file, line };
        }
        let mut valid = self.keys.iter().filter(|known| !known.revoked);
        match valid
            .clone()
            .find(|known| known.key == key)
            .or(valid.next())
        {
            Some(known) if known.key == key => Verdict::Known,
            // Also when the known key is of another kind: a server of that name that suddenly lacks it is suspect.
            Some(known) => {
                let (file, line) = place(known);
                Verdict::Changed { file, line }
            }
            None => Verdict::Unknown,
        }
    }
}

/// Returns how files name a machine: `host`, or `[host]:port` where the port is not 22.
pub(super) fn host_pattern(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

/// Returns the names and keys of a file that was written by [`remember`]; none when it is missing.
pub(super) fn all_keys(file: &Path) -> Vec<(String, Vec<u8>)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, key) = (words.next()?, words.nth(1)?);
            Some((name.to_owned(), decode(key)?))
        })
        .collect()
}

/// Adds a key at the end of a file, which is created where it is missing.
pub(super) fn remember(file: &Path, name: &str, key: &[u8]) -> io::Result<()> {
    // Hosts are reached at the same time; lines must not mix.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let cut = std::fs::read(file).is_ok_and(|text| text.last().is_some_and(|last| *last != b'\n'));
    let begin = if cut { "\n" } else { "" };
    let mut out = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)?;
    out.write_all(format!("{begin}{name} {} {}\n", kind_of(key), encode(key)).as_bytes())
}

/// Returns the fingerprint as OpenSSH prints it.
pub(super) fn fingerprint(key: &[u8]) -> String {
    let digest = sha2::Sha256::digest(key);
    format!("SHA256:{}", encode(&digest).trim_end_matches('='))
}

/// The kind stands at the beginning of the key, with its length (RFC 4253, 6.6).
pub(super) fn kind_of(key: &[u8]) -> String {
    let text = key
        .split_first_chunk::<4>()
        .and_then(|(length, rest)| rest.get(..u32::from_be_bytes(*length) as usize));
    String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
}

/// Returns a line's mark, kind and key, if it is about `name`.
fn parse(line: &str, name: &str) -> Option<(bool, String, Vec<u8>)> {
    let mut words = line.split_whitespace();
    let mut first = words.next().filter(|word| !word.starts_with('#'))?;
    let mut revoked = false;
    if let Some(mark) = first.strip_prefix('@') {
        // Certificates are not understood here; what is signed by an authority is unknown.
        if mark != "revoked" {
            return None;
        }
        revoked = true;
        first = words.next()?;
    }
    let about = match first.strip_prefix("|1|") {
        Some(hashed) => is_hash_of(hashed, name)?,
        None => {
            let fits = |pattern: &str| matches_pattern(&pattern.to_lowercase(), name);
            let patterns = || first.split(',');
            !patterns().filter_map(|p| p.strip_prefix('!')).any(fits)
                && patterns().filter(|p| !p.starts_with('!')).any(fits)
        }
    };
    let (kind, key) = (words.next()?, decode(words.next()?)?);
    about.then(|| (revoked, kind.to_owned(), key))
}

/// `SALT|HASH`, both base64: HMAC-SHA1 of the name.
fn is_hash_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    Some(hmac_sha1(&decode(salt)?, name.as_bytes()) == decode(hash)?)
}

/// RFC 2104.
fn hmac_sha1(key: &[u8], text: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut block = if key.len() > BLOCK {
        Sha1::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    block.resize(BLOCK, 0);
    let padded = |pad: u8| {
        block
            .iter()
            .map(move |byte| byte ^ pad)
            .collect::<Vec<u8>>()
    };
    let inner = Sha1::new()
        .chain_update(padded(0x36))
        .chain_update(text)
        .finalize();
    Sha1::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648, 4).
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place) & 63) as usize;
            text.push(if place > group.len() {
                '='
            } else {
                char::from(ALPHABET[index])
            });
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for sign in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == sign)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // From `ssh-keygen -t ed25519`, `ssh-keygen -H` on the line of `lab`, and `ssh-keygen -l`.
    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIElRJ1JeFK+kUGKOPAf8XsYJ2/9m4cdQ2wwE5k2w7xZL";

    fn files(text: &str) -> (tempfile::TempDir, Vec<PathBuf>) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("known_hosts");
        std::fs::write(&file, text).expect("folder is writable");
        (dir, vec![file, "/nonexistent/known_hosts".into()])
    }

    #[test]
    fn base64_goes_both_ways() {
        for text in ["", "f", "fo", "foo", "foob"] {
            assert_eq!(
                decode(&encode(text.as_bytes())).as_deref(),
                Some(text.as_bytes())
            );
        }
        assert_eq!(encode(b"fo"), "Zm8=");
        assert_eq!(decode("a b"), None);
        let key = decode(KEY).expect("valid");
        assert_eq!(
            (kind_of(&key), encode(&key)),
            ("ssh-ed25519".into(), KEY.into())
        );
    }

    #[test]
    fn a_key_is_known_changed_revoked_or_new() {
        let key = decode(KEY).expect("valid");
        let other = [&key[..key.len() - 1], b"x"].concat();
        let (_dir, files) = files(&format!(
            "# comment\n@cert-authority * ssh-ed25519 {KEY}\nLAB,192.0.2.*,!192.0.2.9 ssh-ed25519 {KEY} me\n\
             [lab]:2022 ssh-rsa {KEY}\n@revoked * ssh-ed25519 {}\n",
            encode(b"\0\0\0\x03bad")
        ));
        let judge = |name: &str, key: &[u8]| KnownKeys::load(&files, name).judge(key);
        assert_eq!(judge("lab", &key), Verdict::Known);
        assert_eq!(judge("192.0.2.17", &key), Verdict::Known);
        assert_eq!(judge("192.0.2.9", &key), Verdict::Unknown);
        assert_eq!(
            judge("lab", &other),
            Verdict::Changed {
                file: files[0].clone(),
                line: 3
            }
        );
        assert_eq!(
            judge("new", b"\0\0\0\x03bad"),
            Verdict::Revoked {
                file: files[0].clone(),
                line: 5
            }
        );
        assert_eq!(judge(&host_pattern("Lab", 2022), &key), Verdict::Known);
        assert_eq!(KnownKeys::load(&files, "[lab]:2022").kinds(), ["ssh-rsa"]);
    }

    #[test]
    fn hashed_names_are_found() {
        // echo -n lab | openssl dgst -sha1 -mac HMAC -macopt hexkey:000102…13
        let salt: Vec<u8> = (0..20).collect();
        let line = format!(
            "|1|{}|{} ssh-ed25519 {KEY}\n",
            encode(&salt),
            encode(&hmac_sha1(&salt, b"lab"))
        );
        let (_dir, files) = files(&line);
        let key = decode(KEY).expect("valid");
        assert_eq!(KnownKeys::load(&files, "lab").judge(&key), Verdict::Known);
        assert_eq!(
            KnownKeys::load(&files, "lab2").judge(&key),
            Verdict::Unknown
        );
        // RFC 2202, test case 2.
        let mac: String = hmac_sha1(b"Jefe", b"what do ya want for nothing?")
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(mac, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }

    #[test]
    fn a_new_key_is_remembered_on_a_line_of_its_own() {
        let (dir, files) = files("no line end");
        let key = decode(KEY).expect("valid");
        remember(&files[0], "lab", &key).expect("writable");
        assert_eq!(
            std::fs::read_to_string(&files[0]).expect("there"),
            format!("no line end\nlab ssh-ed25519 {KEY}\n")
        );
        let new = dir.path().join("sub/known");
        remember(&new, "[a]:1", &key).expect("writable");
        assert_eq!(KnownKeys::load(&[new], "[a]:1").judge(&key), Verdict::Known);
    }
}
