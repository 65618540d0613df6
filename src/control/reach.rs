//! How the machines of a run are reached: this one directly, others over SSH.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::options::HostKeys;
use super::plan::is_this_machine;
use crate::profiles::vm_map::auth::Login;
use crate::secret::{Redactor, Secret};
use crate::shell::Shell;
use crate::shell::local::LocalShell;
use crate::shell::log::{LoggedShell, SessionLog};

/// A machine as it was typed: address, user and port where given.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Short name.
    pub name: &'a str,
    /// As typed.
    pub address: &'a str,
    /// `None`: as OpenSSH's configuration says, else root.
    pub user: Option<&'a str>,
    /// `None`: as OpenSSH's configuration says, else 22.
    pub port: Option<u16>,
}

/// Makes the shells of a run, and closes them at its end.
#[derive(Debug, Default)]
pub struct Reach {
    #[cfg_attr(
        not(feature = "ssh"),
        expect(dead_code, reason = "for remote hosts only")
    )]
    host_keys: HostKeys,
    #[cfg_attr(
        not(feature = "ssh"),
        expect(dead_code, reason = "for remote hosts only")
    )]
    passwords: Vec<Secret>,
    #[cfg(feature = "ssh")]
    pins: Arc<crate::shell::ssh::Pins>,
    open: Mutex<Vec<Opened>>,
}

/// File of a result directory with the keys of machines that were installed for it.
#[cfg(feature = "ssh")]
const PINNED_KEYS: &str = "__known_hosts__";

#[cfg(feature = "ssh")]
type Opened = crate::shell::ssh::SshShell;
#[cfg(not(feature = "ssh"))]
type Opened = LocalShell;

/// Whether this build can reach other machines.
pub const REMOTE: bool = cfg!(feature = "ssh");

impl Reach {
    /// Host keys are treated like this, and these passwords are tried.
    pub fn new(host_keys: HostKeys, passwords: Vec<Secret>) -> Self {
        Self {
            host_keys,
            passwords,
            ..Self::default()
        }
    }

    /// Keeps the host keys of machines that are installed for the run in its result directory, where
    /// recovery finds them.
    #[cfg(feature = "ssh")]
    pub fn keep_keys_in(&self, result: &Path) {
        self.pins.keep_in(&result.join(PINNED_KEYS));
    }

    /// This build reaches no other machines.
    #[cfg(not(feature = "ssh"))]
    pub fn keep_keys_in(&self, _: &Path) {}

    /// Returns the shell of a machine, and the folder on it that is the shell's own. Connects to nobody yet.
    ///
    /// # Errors
    /// When it is another machine, and this build reaches none.
    pub fn shell(&self, place: Place<'_>) -> Result<(Arc<dyn Shell>, Option<String>), String> {
        self.shell_with(place, None)
    }

    fn shell_with(
        &self,
        place: Place<'_>,
        login: Option<&Login>,
    ) -> Result<(Arc<dyn Shell>, Option<String>), String> {
        if is_this_machine(place.address) {
            return Ok((Arc::new(LocalShell::new(place.name)), None));
        }
        self.remote(place, login)
    }

    #[cfg(feature = "ssh")]
    fn remote(
        &self,
        place: Place<'_>,
        login: Option<&Login>,
    ) -> Result<(Arc<dyn Shell>, Option<String>), String> {
        use crate::shell::ssh::{Address, Settings, SshShell};
        let address = Address {
            host: place.address.to_owned(),
            user: place.user.map(str::to_owned),
            port: place.port,
        };
        let mut passwords = self.passwords.clone();
        let mut keys = Vec::new();
        match login {
            Some(Login::Password(password)) => passwords.insert(0, password.clone()),
            Some(Login::Key(path)) => keys.push(path.clone()),
            Some(Login::Agent) | None => {}
        }
        let settings = Settings {
            host_keys: self.host_keys,
            passwords,
            keys,
            config: None,
            pins: Arc::clone(&self.pins),
        };
        let shell = SshShell::new(place.name, &address, Arc::new(settings));
        let folder = shell.folder().to_owned();
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(shell.clone());
        Ok((Arc::new(shell), Some(folder)))
    }

    #[cfg(not(feature = "ssh"))]
    fn remote(
        &self,
        place: Place<'_>,
        _: Option<&Login>,
    ) -> Result<(Arc<dyn Shell>, Option<String>), String> {
        Err(format!(
            "`{}` is another machine, and this build lacks the feature `ssh`",
            place.address
        ))
    }

    /// Removes what the shells keep on their machines and closes their connections.
    pub fn close(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        std::thread::scope(|scope| {
            for shell in &open {
                scope.spawn(move || close(shell));
            }
        });
    }
}

/// Makes shells of workers that are machines of their own; they are logged like those of hosts and
/// closed with them. Clones are the same.
#[derive(Debug, Clone)]
pub struct WorkerShells {
    reach: Arc<Reach>,
    sessions: SessionLog,
}

impl Default for WorkerShells {
    fn default() -> Self {
        Self::new(Arc::default(), SessionLog::new(Redactor::default()))
    }
}

impl WorkerShells {
    /// Reaches workers as `reach` does, and logs to `sessions`.
    pub fn new(reach: Arc<Reach>, sessions: SessionLog) -> Self {
        Self { reach, sessions }
    }

    /// As [`Reach::shell`], logging in as `login` says, else as every other machine.
    ///
    /// # Errors
    /// As [`Reach::shell`].
    pub fn shell(
        &self,
        place: Place<'_>,
        login: Option<&Login>,
    ) -> Result<(Arc<dyn Shell>, Option<String>), String> {
        let (shell, folder) = self.reach.shell_with(place, login)?;
        let shell = LoggedShell::new(shell, place.name, self.sessions.clone());
        Ok((Arc::new(shell), folder))
    }
}

#[cfg(feature = "ssh")]
fn close(shell: &Opened) {
    if let Err(error) = shell.close() {
        tracing::debug!(machine = %shell.target(), %error, "the connection could not be closed in order");
    }
}

#[cfg(not(feature = "ssh"))]
fn close(_: &Opened) {}
