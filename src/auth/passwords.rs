//! Passwords: hashed with argon2id, verified against argon2 and against bcrypt hashes of older systems.
//!
//! Both take tens of milliseconds of a processor: call them where blocking is allowed.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::error::{Error, Result};

/// Bytes of a password at most: hashing more would be work for nothing.
pub const LONGEST: usize = 1_024;

/// How a password fits a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does not.
    Wrong,
    /// It does.
    Right,
    /// It does, and the hash is of an older kind: make a new one.
    Outdated,
}

/// Hashes a password with a salt of its own.
///
/// # Errors
/// `BadRequest` if it is empty or longer than [`LONGEST`].
pub fn hash(password: &str) -> Result<String> {
    if password.is_empty() || password.len() > LONGEST {
        let text = format!("A password has 1 to {LONGEST} bytes");
        return Err(Error::bad_request(text));
    }
    let failed = |error: argon2::password_hash::Error| {
        Error::general("The password cannot be hashed")
            .caused_by(std::io::Error::other(error.to_string()))
    };
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(failed)?;
    Ok(hash.to_string())
}

/// Compares a password with a hash; a hash that cannot be read fits nothing.
pub fn verify(password: &str, hash: &str) -> Fit {
    if password.len() > LONGEST {
        return Fit::Wrong;
    }
    if hash.starts_with("$2") {
        return match bcrypt::verify(password, hash) {
            Ok(true) => Fit::Outdated,
            _ => Fit::Wrong,
        };
    }
    let fits = PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    });
    if fits { Fit::Right } else { Fit::Wrong }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_its_own_hashes_and_those_of_bcrypt() {
        let own = hash("correct horse").unwrap();
        assert!(own.starts_with("$argon2id$"), "{own}");
        assert_eq!(verify("correct horse", &own), Fit::Right);
        assert_eq!(verify("Correct horse", &own), Fit::Wrong);
        let old = bcrypt::hash("pw1", 4).unwrap();
        assert_eq!(verify("pw1", &old), Fit::Outdated);
        assert_eq!(verify("pw2", &old), Fit::Wrong);
        assert_eq!(verify("pw1", "no hash"), Fit::Wrong);
    }

    #[test]
    fn refuses_what_is_no_password() {
        assert!(hash("").is_err());
        assert!(hash(&"x".repeat(LONGEST + 1)).is_err());
        assert_eq!(verify(&"x".repeat(LONGEST + 1), "$2b$10$"), Fit::Wrong);
    }
}
