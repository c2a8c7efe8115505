//! The key that signs tokens: given, or made once and kept where only the daemon's user reads it.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
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
    let (secret, name) = match given {
        Some(given) => (given.to_owned(), "JWT_SECRET".to_owned()),
        None => stored(folder)?,
    };
    check(&secret, &name)?;
    Ok(secret)
}

/// Refuses a secret that could be guessed.
///
/// # Errors
/// A sentence for the operator.
pub fn check(secret: &str, name: &str) -> Result<(), String> {
    if secret.len() < SHORTEST {
        return Err(format!(
            "{name} must have at least {SHORTEST} characters, and has {}",
            secret.len()
        ));
    }
    Ok(())
}

/// The folder's secret, and its file's name.
fn stored(folder: &Path) -> Result<(String, String), String> {
    let path = folder.join(FILE);
    let name = path.display().to_string();
    let secret = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => make(folder, &path),
        read => read,
    };
    let secret = secret.map_err(|error| format!("{name} cannot be used: {error}"))?;
    Ok((secret.trim().to_owned(), name))
}

/// Makes a secret, whole or not at all; of two daemons that start at once, one makes it for both.
fn make(folder: &Path, path: &Path) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    let secret = keys::random("");
    // Nobody else may read it.
    let mut file = tempfile::Builder::new().prefix(FILE).tempfile_in(folder)?;
    file.write_all(secret.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => File::open(folder)?.sync_all().map(|()| secret),
        Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => fs::read_to_string(path),
        Err(lost) => Err(lost.error),
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
    fn those_who_start_at_once_agree_on_one() {
        let folder = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(16);
        let load = || {
            start.wait();
            load(None, folder.path()).unwrap()
        };
        let secrets: std::collections::HashSet<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(secrets.len(), 1);
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "the secret alone");
    }

    #[test]
    fn names_the_file_that_it_cannot_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, "").unwrap();
        let refused = load(None, folder.path()).unwrap_err();
        let words = "must have at least 32 characters, and has 0";
        assert_eq!(refused, format!("{} {words}", path.display()));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let refused = load(None, folder.path()).unwrap_err();
        assert!(refused.starts_with(&format!("{} cannot be used", path.display())));
    }

    #[test]
    fn refuses_a_secret_that_could_be_guessed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(Some("short"), folder.path()).is_err());
        assert!(load(Some(&"x".repeat(32)), folder.path()).is_ok());
    }
}
