//! `--ask-password`: one question on the person's terminal, whose answer is not shown.

use std::fs::File;
use std::io::{Read, Write};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::secret::Secret;

/// Longer answers are no passwords.
const LONGEST: usize = 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody could see the question.
    #[error("--ask-password needs a terminal to ask on, and there is none")]
    NoTerminal(#[source] std::io::Error),
    /// Nothing was typed.
    #[error("no password was typed")]
    Nothing,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// The terminal went away.
    #[error("cannot read the password from the terminal")]
    Io(#[source] std::io::Error),
}

impl AskError {
    /// Returns the next step.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        matches!(self, AskError::NoTerminal(_))
            .then_some("in jobs without a terminal use --default-passwords with @FILE or env:NAME")
    }
}

/// Puts the terminal back as it was.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    /// Signs come one by one, are not shown, and Ctrl-C is a sign: a signal would end the program
    /// and leave the terminal mute.
    fn new(terminal: &'a File) -> std::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Asks on the controlling terminal, wherever the standard streams go.
///
/// # Errors
/// When there is no terminal, or no answer.
pub(crate) fn ask(question: &str) -> Result<Secret, AskError> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(AskError::NoTerminal)?;
    let quiet = Quiet::new(&terminal).map_err(AskError::NoTerminal)?;
    let mut out = &terminal;
    write!(out, "{question}: ")
        .and_then(|()| out.flush())
        .map_err(AskError::Io)?;
    let answer = read(&mut &terminal);
    drop(quiet);
    let _ = writeln!(out);
    answer
}

/// Reads up to the end of the line; understands what terminals understand: rubbing out one sign or
/// all of them.
fn read(from: &mut dyn Read) -> Result<Secret, AskError> {
    let mut typed: Vec<u8> = Vec::new();
    let mut sign = [0];
    loop {
        let count = from.read(&mut sign).map_err(AskError::Io)?;
        match sign[0] {
            _ if count == 0 => break,
            b'\n' | b'\r' => break,
            // Ctrl-D: the end where nothing was typed.
            4 => break,
            // Ctrl-C and Ctrl-\.
            3 | 28 => return Err(AskError::Interrupted),
            // Ctrl-U.
            21 => typed.clear(),
            8 | 127 => rub_out(&mut typed),
            byte if typed.len() < LONGEST => typed.push(byte),
            _ => {}
        }
    }
    if typed.is_empty() {
        return Err(AskError::Nothing);
    }
    let text = String::from_utf8(typed).map_err(|_| {
        AskError::Io(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "it is not UTF-8",
        ))
    })?;
    Ok(Secret::new(text))
}

/// Takes the last sign away, which may be several bytes.
fn rub_out(typed: &mut Vec<u8>) {
    while let Some(byte) = typed.pop() {
        if byte & 0b1100_0000 != 0b1000_0000 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> Result<String, AskError> {
        read(&mut &bytes[..]).map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn an_answer_can_be_corrected_before_it_is_given() {
        assert_eq!(typed(b"s3cret\nrest").expect("typed"), "s3cret");
        assert_eq!(
            typed("a\u{e9}\u{7f}b\r".as_bytes()).expect("typed"),
            "ab",
            "a sign of two bytes goes whole"
        );
        assert_eq!(typed(b"wrong\x15right\n").expect("typed"), "right");
        assert!(matches!(typed(b"\n"), Err(AskError::Nothing)));
        assert!(matches!(typed(b"\x7f\x04"), Err(AskError::Nothing)));
        assert!(matches!(typed(b"half\x03"), Err(AskError::Interrupted)));
    }
}
