//! What the commands print.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

use serde_json::Value;

use super::Outcome;

/// The columns of a list of keys: title and field.
const COLUMNS: [(&str, &str); 7] = [
    ("ID", "id"),
    ("KEY", "prefix"),
    ("NAME", "name"),
    ("USER", "user_id"),
    ("SCOPES", "scopes"),
    ("EXPIRES", "expires_at"),
    ("LAST USED", "last_used_at"),
];

/// Prints a line.
///
/// # Errors
/// A sentence, if nothing can be printed.
pub(super) fn say(line: impl Display) -> Outcome {
    match writeln!(io::stdout(), "{line}") {
        // Whoever read has enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        said => said.map_err(|error| format!("nothing can be printed: {error}")),
    }
}

/// Says something beside the result.
pub(super) fn note(line: impl Display) {
    // Nobody listens; the result stands all the same.
    drop(writeln!(io::stderr(), "{line}"));
}

/// A field's text; empty if it has none.
pub(super) fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record[name].as_str().unwrap_or_default()
}

/// Prints keys, a line each.
///
/// # Errors
/// As [`say`].
pub(super) fn table(keys: &[Value]) -> Outcome {
    let titles = COLUMNS.map(|(title, _)| title.to_owned());
    let rows = keys
        .iter()
        .map(|key| COLUMNS.map(|(_, field)| cell(&key[field])));
    let rows: Vec<_> = std::iter::once(titles).chain(rows).collect();
    let width = |index: usize| rows.iter().map(|row| row[index].chars().count()).max();
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(|index| width(index).unwrap_or(0));
    for row in &rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        say(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn cell(value: &Value) -> String {
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).collect();
    match value {
        Value::String(text) => plain(text),
        Value::Array(items) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            words.join(",")
        }
        _ => "-".to_owned(),
    }
}
