//! Manual pages and shell completions, made from the option definitions.

use std::io::Write;

use clap::{Command, ValueEnum};

/// What `--generate` can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generate {
    /// Manual page
    Man,
    /// Completion for bash
    CompleteBash,
    /// Completion for zsh
    CompleteZsh,
    /// Completion for fish
    CompleteFish,
    /// JSON Schema of what the program writes
    Schema,
}

/// Writes what was asked for; `schema` is the JSON Schema of the program's output.
///
/// # Errors
/// When `out` would not take it.
pub fn generate(
    what: Generate,
    mut command: Command,
    schema: &schemars::Schema,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let name = command.get_name().to_owned();
    match what {
        Generate::Man => clap_mangen::Man::new(command).render(out),
        Generate::CompleteBash => {
            clap_complete::generate(clap_complete::Shell::Bash, &mut command, name, out);
            Ok(())
        }
        Generate::CompleteZsh => {
            clap_complete::generate(clap_complete::Shell::Zsh, &mut command, name, out);
            Ok(())
        }
        Generate::CompleteFish => {
            clap_complete::generate(clap_complete::Shell::Fish, &mut command, name, out);
            Ok(())
        }
        Generate::Schema => {
            serde_json::to_writer_pretty(&mut *out, schema)?;
            out.write_all(b"\n")
        }
    }
}
