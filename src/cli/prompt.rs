//! Asking for a password on a terminal, which shows nothing of it.
//!
//! `stty` sets the terminal, because the standard library can't and one dialog is worth no
//! dependency. Without `stty` the dialog works and what is typed is seen.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::{Command, Stdio},
};

use tokio::signal::unix::{SignalKind, signal};

/// One line of standard input. A person at a terminal is asked for it, by these words, and does
/// not see it; Ctrl+C then ends the dialog with the terminal as it was.
pub(super) fn hidden_line(words: &str) -> io::Result<String> {
    if !io::stdin().is_terminal() {
        return line(&mut io::stdin().lock());
    }
    write!(io::stderr(), "{words}")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let typed = runtime.block_on(async {
        let mut interrupts = signal(SignalKind::interrupt())?;
        let _hidden = Hidden::begin();
        tokio::select! {
            biased;
            _ = interrupts.recv() => Err(io::Error::new(io::ErrorKind::Interrupted, "nothing was done")),
            typed = tokio::task::spawn_blocking(|| line(&mut io::stdin().lock())) => typed?,
        }
    });
    // The end of the line was typed, but not shown.
    let _ = writeln!(io::stderr());
    // A thread that still reads is not waited for.
    runtime.shutdown_background();
    typed
}

fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal of standard input not showing what is typed, as long as this lives.
struct Hidden {
    /// The terminal's settings before, in the words of `stty`.
    before: String,
}

impl Hidden {
    fn begin() -> Option<Self> {
        let before = stty(&["-g"])?;
        stty(&["-echo"])?;
        Some(Self { before: before.trim().to_owned() })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        stty(&[&self.before]);
    }
}

/// What `stty` says about the terminal of standard input; `None` when it fails.
fn stty(arguments: &[&str]) -> Option<String> {
    let told = Command::new("stty")
        .args(arguments)
        .stdin(Stdio::inherit())
        .stderr(Stdio::null())
        .output();
    let told = told.ok().filter(|told| told.status.success())?;
    String::from_utf8(told.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_one_line() {
        for typed in [
            "correct horse\n",
            "correct horse\r\n",
            "correct horse",
            "correct horse\nmore",
        ] {
            assert_eq!(line(&mut typed.as_bytes()).unwrap(), "correct horse");
        }
        assert_eq!(line(&mut "".as_bytes()).unwrap(), "");
    }
}
