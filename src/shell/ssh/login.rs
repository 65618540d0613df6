//! Logging in: keys of the agent, key files, passwords, in this order.

use std::path::Path;

use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt};

use super::connection::{Connection, Fault, Patience, StepError, connect_error, too_slow};
use super::route::Hop;
use crate::secret::Secret;
use crate::shell::ShellError;

/// Codes of libssh2 after which the connection is of no more use.
const BROKEN: [i32; 5] = [-7, -13, -26, -43, -9];

/// Gives the same password to every question whose answer is not shown.
struct Answer<'a>(&'a Secret);

impl KeyboardInteractivePrompt for Answer<'_> {
    fn prompt<'a>(
        &mut self,
        _user: &str,
        _instructions: &str,
        prompts: &[Prompt<'a>],
    ) -> Vec<String> {
        prompts
            .iter()
            .map(|prompt| {
                if prompt.echo {
                    String::new()
                } else {
                    self.0.reveal().to_owned()
                }
            })
            .collect()
    }
}

/// Logs in, or says what was tried.
pub(super) fn log_in(
    connection: &Connection,
    hop: &Hop,
    passwords: &[Secret],
    patience: &Patience<'_>,
) -> Result<(), Fault> {
    let mut attempt = Attempt {
        connection,
        hop,
        patience,
        tried: Vec::new(),
    };
    let methods = match attempt.step(|session| session.auth_methods(&hop.user).map(str::to_owned)) {
        Ok(methods) => methods.unwrap_or_default(),
        Err(fault) => return Err(fault),
    };
    if connection.session.authenticated() {
        return Ok(());
    }
    let offers =
        |method: &str| methods.is_empty() || methods.split(',').any(|offered| offered == method);
    let done = (offers("publickey") && attempt.keys(passwords)?)
        || ((offers("password") || offers("keyboard-interactive"))
            && attempt.passwords(
                passwords,
                offers("password"),
                offers("keyboard-interactive"),
            )?);
    if done {
        return Ok(());
    }
    let tried = match &attempt.tried[..] {
        [] => "nothing to try".to_owned(),
        tried => format!("tried {}", tried.join(", ")),
    };
    Err(Fault::Final(ShellError::Auth {
        target: hop.target(),
        tried: format!("{tried}; the server takes {methods}"),
    }))
}

struct Attempt<'a> {
    connection: &'a Connection,
    hop: &'a Hop,
    patience: &'a Patience<'a>,
    tried: Vec<String>,
}

impl Attempt<'_> {
    /// One exchange: `None` when the server said no.
    fn step<T>(
        &self,
        call: impl FnMut(&ssh2::Session) -> Result<T, ssh2::Error>,
    ) -> Result<Option<T>, Fault> {
        match self.connection.step(self.patience, call) {
            Ok(value) => Ok(Some(value)),
            Err(StepError::Cut) => Err(Fault::Cut),
            Err(StepError::Slow) => Err(Fault::Final(connect_error(
                self.hop,
                too_slow(self.hop, "the login did not end"),
            ))),
            Err(StepError::Ssh(error)) => match error.code() {
                // Too many tries, or the server went away.
                ErrorCode::Session(code) if BROKEN.contains(&code) && !self.tried.is_empty() => {
                    let tried = format!(
                        "tried {}, then the server closed the connection",
                        self.tried.join(", ")
                    );
                    Err(Fault::Final(ShellError::Auth {
                        target: self.hop.target(),
                        tried,
                    }))
                }
                ErrorCode::Session(code) if BROKEN.contains(&code) => {
                    Err(Fault::Again(connect_error(self.hop, error.into())))
                }
                _ => Ok(None),
            },
        }
    }

    fn keys(&mut self, passphrases: &[Secret]) -> Result<bool, Fault> {
        if self.hop.agent && self.agent()? {
            return Ok(true);
        }
        for key in &self.hop.keys {
            if !key.exists() {
                continue;
            }
            self.tried.push(format!("key {}", shown(key)));
            if self
                .step(|session| session.userauth_pubkey_file(&self.hop.user, None, key, None))?
                .is_some()
            {
                return Ok(true);
            }
            if is_encrypted(key) {
                self.tried.pop();
                if self.encrypted(key, passphrases)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Tries a key whose passphrase may be one of the passwords.
    fn encrypted(&mut self, key: &Path, passphrases: &[Secret]) -> Result<bool, Fault> {
        for passphrase in passphrases {
            let passphrase = Some(passphrase.reveal());
            let user = &self.hop.user;
            if self
                .step(|session| session.userauth_pubkey_file(user, None, key, passphrase))?
                .is_some()
            {
                return Ok(true);
            }
        }
        let why = if passphrases.is_empty() {
            "it has a passphrase, add it to the agent"
        } else {
            "no password given is its passphrase, or the server does not take it"
        };
        self.tried
            .push(format!("key {} (not usable: {why})", shown(key)));
        Ok(false)
    }

    fn agent(&mut self) -> Result<bool, Fault> {
        if std::env::var_os("SSH_AUTH_SOCK").is_none() {
            return Ok(false);
        }
        let Ok(mut agent) = self.connection.session.agent() else {
            return Ok(false);
        };
        if agent
            .connect()
            .and_then(|()| agent.list_identities())
            .is_err()
        {
            tracing::debug!("the agent of SSH_AUTH_SOCK does not answer");
            return Ok(false);
        }
        let mut identities = agent.identities().unwrap_or_default();
        // Servers allow few tries: keys that are configured come first.
        let public =
            |key: &Path| std::fs::read_to_string(key.with_extension("pub")).unwrap_or_default();
        let wanted: Vec<String> = self.hop.keys.iter().map(|key| public(key)).collect();
        identities.sort_by_key(|identity| {
            !wanted.iter().any(|text| {
                !identity.comment().is_empty() && text.trim_end().ends_with(identity.comment())
            })
        });
        for identity in &identities {
            self.tried
                .push(format!("key `{}` of the agent", identity.comment()));
            if self
                .step(|_| agent.userauth(&self.hop.user, identity))?
                .is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn passwords(&mut self, passwords: &[Secret], plain: bool, asked: bool) -> Result<bool, Fault> {
        for (index, password) in passwords.iter().enumerate() {
            self.tried
                .push(format!("password {} of {}", index + 1, passwords.len()));
            let user = &self.hop.user;
            if plain
                && self
                    .step(|session| session.userauth_password(user, password.reveal()))?
                    .is_some()
            {
                return Ok(true);
            }
            let mut answer = Answer(password);
            if asked
                && self
                    .step(|session| session.userauth_keyboard_interactive(user, &mut answer))?
                    .is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn shown(key: &Path) -> String {
    match std::env::var_os("HOME").map(|home| {
        key.strip_prefix(home)
            .map(|rest| format!("~/{}", rest.display()))
    }) {
        Some(Ok(short)) => short,
        _ => key.display().to_string(),
    }
}

/// PEM files say so in clear; of OpenSSH's own format the cipher's name stands at a fixed place.
fn is_encrypted(key: &Path) -> bool {
    let text = std::fs::read_to_string(key).unwrap_or_default();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    text.contains("ENCRYPTED")
        || (text.contains("BEGIN OPENSSH") && !body.starts_with("b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"))
}
