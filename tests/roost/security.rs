//! docs/security.md promises nothing that no test shows.

use std::{fs, path::Path};

/// The rows of the page's tables: a promise, and the tests that show it.
fn promises(page: &str) -> Vec<(String, String)> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| {
        let (promise, tests) = row.trim_matches(['|', ' ']).split_once(" | ")?;
        Some((promise.to_owned(), tests.to_owned()))
    });
    cells.filter(|(promise, _)| promise != "promise").collect()
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/security.md")).expect("the page");
    let promises = promises(&page);
    assert!(promises.len() > 20, "the tables are read: {promises:?}");
    for (promise, tests) in promises {
        let mut shown = 0;
        for test in tests.split("; `").map(|test| test.trim_start_matches('`')) {
            let (file, title) = test.split_once("` ").expect("`file` title");
            let file = file.replacen("suites/", "web-fixtures/suites/", 1);
            let source = fs::read_to_string(root.join(&file)).unwrap_or_default();
            let named = [
                format!("(\"{title}\""),
                format!("(`{title}`"),
                format!("fn {title}("),
            ];
            assert!(
                named.iter().any(|named| source.contains(named)),
                "{promise}: {file} has no test `{title}`"
            );
            shown += 1;
        }
        assert!(shown > 0, "{promise}: no test");
    }
}
