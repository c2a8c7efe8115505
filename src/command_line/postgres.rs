//! What is said where PostgreSQL's own programs do the work.

use std::path::Path;

use reqwest::Url;

/// What of a URL's query PostgreSQL's programs understand, and is no secret.
const KNOWN: [&str; 8] = [
    "host",
    "port",
    "user",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
];

/// How to back up.
pub(super) fn dump(url: &str, file: &Path) -> String {
    let (database, file) = (database(url), quoted(&file.to_string_lossy()));
    format!(
        "PostgreSQL backs up its databases itself: pg_dump --format=custom --file={file} --dbname={database}"
    )
}

/// How to restore.
pub(super) fn restore(url: &str, file: &Path) -> String {
    let (database, file) = (database(url), quoted(&file.to_string_lossy()));
    format!(
        "PostgreSQL restores its databases itself: stop the daemon, run pg_restore --clean --if-exists \
         --dbname={database} {file} (or psql for plain SQL), and then `roost restore` without a file"
    )
}

/// The database's URL for a command line: without the password, which is asked for, or stands in
/// PGPASSWORD or a password file.
fn database(url: &str) -> String {
    without_password(url).map_or_else(|| "NAME".to_owned(), |url| quoted(&url))
}

/// `None` where one cannot tell what is the password.
fn without_password(url: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    // Where the password was taken for something else.
    let stray = [url.path(), url.query().unwrap_or_default()];
    if stray.iter().any(|part| part.contains('@')) || url.fragment().is_some() {
        return None;
    }
    url.set_password(None).ok()?;
    let pairs = url.query_pairs().into_owned();
    let known: Vec<_> = pairs
        .filter(|(name, _)| KNOWN.contains(&name.as_str()))
        .collect();
    url.set_query(None);
    if !known.is_empty() {
        url.query_pairs_mut().extend_pairs(known);
    }
    Some(url.into())
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_database_without_its_password() {
        for (url, shown) in [
            (
                "postgres://ann:hunter2@db:5433/roost",
                "'postgres://ann@db:5433/roost'",
            ),
            (
                "postgres://ann:hunt%40er2@db/roost",
                "'postgres://ann@db/roost'",
            ),
            (
                "postgres://db/roost?sslmode=require&password=hunter2&statement-cache-capacity=1",
                "'postgres://db/roost?sslmode=require'",
            ),
            ("postgres://ann:12?hunter2@db/roost", "NAME"),
            ("postgres://ann:12#hunter2@db/roost", "NAME"),
            ("postgres://ann:12/hunter2@db/roost", "NAME"),
            ("postgres://ann:hunt/er2@db/roost", "NAME"),
            ("postgres://ann@db/o'hara", r"'postgres://ann@db/o'\''hara'"),
        ] {
            let said = dump(url, Path::new("a b"));
            assert!(!said.contains("hunt"), "{said}");
            assert!(
                said.ends_with(&format!("--file='a b' --dbname={shown}")),
                "{said}"
            );
        }
    }
}
