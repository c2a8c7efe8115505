//! The house keeps its shape: dependencies point one way.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What each part may name of the others, from the outside in.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("core", &["core", "error"]),
    ("error", &[]),
    ("auth", &["core", "error"]),
    ("store", &["core", "error", "store"]),
    ("runner", &["core", "error", "runner"]),
    (
        "services",
        &["auth", "core", "error", "runner", "services", "store"],
    ),
    (
        "dialects",
        &[
            "app", "auth", "config", "core", "dialects", "error", "services", "App",
        ],
    ),
    (
        "command_line",
        &[
            "app",
            "auth",
            "command_line",
            "config",
            "core",
            "error",
            "serve",
            "services",
            "store",
            "App",
        ],
    ),
    ("config", &[]),
    ("log", &["auth", "config"]),
    ("stream", &["core"]),
];

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for file in sources(Path::new("src")) {
        let part = part_of(&file, "src");
        let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == part) else {
            continue;
        };
        let text = fs::read_to_string(&file).expect("a source file");
        for used in used_parts(&text) {
            if !may_use.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Dialects that are made of another: Phoenix's channels carry them.
const MADE_OF: [(&str, &str); 2] = [("agrenting", "phoenix"), ("genswarms", "phoenix")];

#[test]
fn no_dialect_knows_another_or_the_database() {
    let foreign = ["sea_orm", "rusqlite", "entities::", "migrations::"];
    for file in sources(Path::new("src/dialects")) {
        let text = fs::read_to_string(&file).expect("a source file");
        for word in foreign {
            assert!(!text.contains(word), "{} names {word}", file.display());
        }
        let own = part_of(&file, "src/dialects");
        for (other, allowed) in [
            ("feathers", &["feathers::ErrorResponse"][..]),
            ("mgx", &[]),
            ("hive", &[]),
            ("mcp", &[]),
            ("sse", &["response::sse::"]),
            ("phoenix", &[]),
            ("agrenting", &[]),
            ("genswarms", &[]),
        ] {
            let is_made_of_it = MADE_OF.contains(&(own.as_str(), other));
            if other != own && own != "mod" && !is_made_of_it {
                let named = text.matches(&format!("{other}::")).count();
                let shared: usize = allowed.iter().map(|name| text.matches(name).count()).sum();
                assert!(
                    named <= shared,
                    "{} names the {other} dialect",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn services_know_no_frames() {
    for file in sources(Path::new("src/services")) {
        let text = fs::read_to_string(&file).expect("a source file");
        for word in ["axum", "socketioxide", "hyper", "tungstenite"] {
            assert!(
                !text.contains(&format!("{word}::")),
                "{} names {word}",
                file.display()
            );
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    let folders = ["src", "entities/src", "migrations/src", "tests", "examples"];
    for file in folders.iter().flat_map(|folder| sources(Path::new(folder))) {
        let text = fs::read_to_string(&file).expect("a source file");
        assert!(
            text.starts_with("//!"),
            "{} does not say what it is",
            file.display()
        );
        let lines = text.lines().count();
        assert!(lines <= 450, "{} has {lines} lines", file.display());
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries.map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The first folder or file below a folder that a file is in.
fn part_of(file: &Path, folder: &str) -> String {
    let below = file.strip_prefix(folder).expect("a file in the folder");
    let first = below.components().next().expect("a name").as_os_str();
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The parts that a file names after `crate::`, in lists too.
fn used_parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for (start, _) in text.match_indices("crate::") {
        let rest = &text[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => parts.extend(top_level(list)),
            None => parts.push(word(rest)),
        }
    }
    parts
}

/// The first word of each item of a `{…}` list, whose opening brace is gone.
fn top_level(list: &str) -> Vec<String> {
    let (mut depth, mut item, mut parts) = (0, String::new(), Vec::new());
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(std::mem::take(&mut item)),
            _ => {}
        }
        if c != ',' || depth > 0 {
            item.push(c);
        }
    }
    parts.push(item);
    parts
        .iter()
        .map(|item| word(item.trim()))
        .filter(|word| !word.is_empty())
        .collect()
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
