//! Clears away what a restore left beside a database because it was killed.

use std::{fs, path::Path};

use super::{database::beside, sqlite::identify, whole::PARTS};

/// What follows the database's name in the name of the old one, which a restore keeps.
pub(super) const KEPT: &str = ".before-";

/// What follows it in the name of the folder that holds what is not finished, and how that ends.
const WORKSHOP: &str = ".restore-";
const UNFINISHED: &str = ".part";

/// Removes unfinished copies, and names under which the database itself was to be kept: one file must not
/// stay a database under two names. Only for who has the database's lock.
///
/// A name with parts of its own stays: they may be all that is left of a damaged database. What cannot be
/// removed stays, too: it is in nobody's way.
pub(super) fn clear(path: &Path) {
    let Some((folder, name)) = path.parent().zip(path.file_name()) else {
        return;
    };
    let own = identify(path);
    let name = name.to_string_lossy();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let found = found.to_string_lossy();
        let Some(end) = found.strip_prefix(name.as_ref()) else {
            continue;
        };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_folder && end.starts_with(WORKSHOP) && end.ends_with(UNFINISHED) {
            drop(fs::remove_dir_all(entry.path()));
        } else if is_file && end.starts_with(KEPT) {
            let kept = entry.path();
            let has_parts = PARTS.iter().any(|end| beside(&kept, end).exists());
            if own.is_some() && identify(&kept) == own && !has_parts {
                drop(fs::remove_file(kept));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_restore_left_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [
            "roost.db",
            "roost.db-wal",
            "roost.db.before-1",
            "x.before-2",
        ] {
            fs::write(at(name), name).unwrap();
        }
        for (own, link) in [
            ("roost.db", "roost.db.before-2"),
            ("roost.db", "roost.db.before-3"),
            ("roost.db-wal", "roost.db.before-3-wal"),
            ("roost.db", "roost.db.copy"),
        ] {
            fs::hard_link(at(own), at(link)).unwrap();
        }
        for name in [
            "roost.db.restore-a.part",
            "roost.db.restore-b",
            "roost.db.backup-a.part",
            "x.db.restore-a.part",
        ] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("roost.db"), "unfinished").unwrap();
        }
        clear(&at("roost.db"));
        let left = fs::read_dir(folder.path()).unwrap();
        let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut left: Vec<_> = left.collect();
        left.sort();
        let expected = [
            "roost.db",
            "roost.db-wal",
            "roost.db.backup-a.part",
            "roost.db.before-1",
            "roost.db.before-3",
            "roost.db.before-3-wal",
            "roost.db.copy",
            "roost.db.restore-b",
            "x.before-2",
            "x.db.restore-a.part",
        ];
        assert_eq!(left, expected);
    }
}
