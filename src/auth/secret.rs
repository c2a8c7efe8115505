//! The key that signs tokens: given, or made once and kept where only the daemon's user reads it.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::keys;

/// Characters of a secret at least.
const SHORTEST: usize = 32;

/// The file in the data folder.
const FILE: &str = "jwt.secret";

/// Takes the given secret, or reads it from the folder, or makes it there.
///
/// # Errors
/// A sentence for the operator: the secret is too short, or the folder cannot be used.
pub fn load(given: Option<&str>, folder: &Path) -> Result<String, String> {
    let secret = match given {
        Some(given) => given.to_owned(),
        None => stored(folder)?,
    };
    if secret.len() < SHORTEST {
        return Err(format!(
            "JWT_SECRET must have at least {SHORTEST} characters"
        ));
    }
    Ok(secret)
}

fn stored(folder: &Path) -> Result<String, String> {
    let path = folder.join(FILE);
    let unusable = |error: std::io::Error| format!("{} cannot be used: {error}", path.display());
    fs::create_dir_all(folder).map_err(unusable)?;
    let secret = keys::random("");
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match made {
        Ok(mut file) => {
            file.write_all(secret.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(unusable)?;
            Ok(secret)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let secret = fs::read_to_string(&path).map_err(unusable)?;
            Ok(secret.trim().to_owned())
        }
        Err(error) => Err(unusable(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_made_once_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let made = load(None, folder.path()).unwrap();
        assert_eq!(load(None, folder.path()).unwrap(), made);
        let mode = fs::metadata(folder.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn refuses_a_secret_that_could_be_guessed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(Some("short"), folder.path()).is_err());
        assert!(load(Some(&"x".repeat(32)), folder.path()).is_ok());
    }
}
