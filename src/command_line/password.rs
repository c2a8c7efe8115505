//! Where a new user's password comes from.

use std::io::{self, BufRead, IsTerminal};

use super::Outcome;
use crate::auth::keys;

/// A password.
pub(super) struct Password {
    /// The password itself.
    pub(super) text: String,
    /// Whether it was made here, so that nobody knows it yet.
    pub(super) made: bool,
}

/// Reads a password from the standard input, or asks for it, or, where nobody can be asked, makes one.
///
/// # Errors
/// A sentence that says why there is none.
pub(super) fn read(from_input: bool) -> Outcome<Password> {
    let unreadable = |error: io::Error| format!("the password cannot be read: {error}");
    let text = if from_input {
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(unreadable)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else if io::stdin().is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).map_err(unreadable);
        let first = ask("Password: ")?;
        if first != ask("Password, once more: ")? {
            return Err("the passwords differ".to_owned());
        }
        first
    } else {
        let text = keys::random("");
        return Ok(Password { text, made: true });
    };
    if text.is_empty() {
        return Err("the password is empty".to_owned());
    }
    Ok(Password { text, made: false })
}
