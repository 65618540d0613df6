//! Standard error, shared by the log, the progress lines and the live block.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::secret::Redactor;

/// Standard error; clones share the block. Everything written passes the redactor.
#[derive(Clone, Default)]
pub struct Screen {
    redactor: Redactor,
    block: Arc<Mutex<Option<Block>>>,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

struct Block {
    multi: MultiProgress,
    bar: ProgressBar,
}

impl Screen {
    /// A screen that masks what `redactor` knows.
    pub fn new(redactor: Redactor) -> Self {
        Self {
            redactor,
            block: Arc::default(),
        }
    }

    /// Returns whether somebody watches a terminal that can be rewritten.
    pub fn is_terminal(&self) -> bool {
        std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Writes a line above the block.
    pub fn line(&self, line: &str) {
        self.write(format!("{}\n", self.redactor.clean(line)).as_bytes());
    }

    /// Draws the block anew; `lines` gets the columns and rows of the terminal.
    pub(super) fn draw(&self, lines: impl FnOnce((usize, usize)) -> Vec<String>) {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        let block = block.get_or_insert_with(|| {
            let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(4));
            let bar = multi.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            Block { multi, bar }
        });
        let size = console::Term::stderr()
            .size_checked()
            .map_or((80, 24), |(rows, columns)| {
                (usize::from(columns), usize::from(rows))
            });
        let lines = lines(size);
        block
            .bar
            .set_message(self.redactor.clean(&lines.join("\n")));
        block.bar.tick();
    }

    /// Removes the block.
    pub fn clear(&self) {
        if let Some(block) = self
            .block
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            block.bar.finish_and_clear();
        }
    }

    fn write(&self, bytes: &[u8]) {
        let block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        // A closed standard error must not end a run.
        let write = || {
            let _ = std::io::stderr().lock().write_all(bytes);
        };
        match &*block {
            Some(block) => block.multi.suspend(write),
            None => write(),
        }
    }
}

/// A log file; everything written passes the redactor.
#[derive(Clone)]
pub struct MaskedFile {
    redactor: Redactor,
    file: Arc<std::fs::File>,
}

impl MaskedFile {
    /// Writes to `file`, masking what the screen masks.
    pub fn new(file: std::fs::File, screen: &Screen) -> Self {
        Self {
            redactor: screen.redactor.clone(),
            file: Arc::new(file),
        }
    }
}

impl Write for MaskedFile {
    /// Takes one whole log line, as the log writes it.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.as_ref().write_all(
            self.redactor
                .clean(&String::from_utf8_lossy(bytes))
                .as_bytes(),
        )?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_ref().flush()
    }
}

impl Write for Screen {
    /// Takes one whole log line, as the log writes it.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Screen::write(
            self,
            self.redactor
                .clean(&String::from_utf8_lossy(bytes))
                .as_bytes(),
        );
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
