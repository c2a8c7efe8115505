//! docs/reliability.md names no check that is not there.

use std::{fs, path::Path};

/// What stands between backticks in a page's tables.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2))
}

#[test]
fn every_check_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/reliability.md")).expect("the page");
    let mut checks = 0;
    for check in quoted(&page) {
        let file = if let Some(name) = check.strip_prefix("cargo test --test roost ") {
            format!("tests/roost/{name}.rs")
        } else if let Some(name) = check.strip_prefix("cargo test --lib ") {
            format!("src/{}.rs", name.replace("::", "/"))
        } else if check.starts_with("suites/") {
            format!("web-fixtures/{check}")
        } else {
            continue;
        };
        assert!(root.join(&file).exists(), "{check}: there is no {file}");
        checks += 1;
    }
    assert!(checks > 15, "the table is read");
}
