//! What the commands print.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

use serde_json::Value;

use super::Outcome;

/// Prints a line.
///
/// # Errors
/// A sentence, if nothing can be printed.
pub(super) fn say(line: impl Display) -> Outcome {
    tell(io::stdout(), line).map(drop)
}

/// Prints a line on something; whether anybody reads on.
///
/// # Errors
/// As [`say`].
pub(super) fn tell(mut to: impl Write, line: impl Display) -> Outcome<bool> {
    match writeln!(to, "{line}") {
        // Whoever read has enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        said => said
            .map(|()| true)
            .map_err(|error| format!("nothing can be printed: {error}")),
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

/// Prints rows in columns below their titles.
///
/// # Errors
/// As [`say`].
pub(super) fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> Outcome {
    for line in lines(titles, rows) {
        let cells: Vec<_> = line.into_iter().map(|(_, cell)| cell).collect();
        say(cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// A table's lines, titles first: each cell's text, and how it stands in its column.
pub(super) fn lines<const N: usize>(
    titles: [&str; N],
    rows: &[[String; N]],
) -> Vec<[(String, String); N]> {
    let titles = titles.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(&titles).chain(rows).collect();
    let width = |index: usize| rows.iter().map(|row| row[index].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|index| width(index).unwrap_or(0));
    let cell = |row: &[String; N], index: usize| {
        let (text, width) = (row[index].clone(), widths[index]);
        let padded = format!("{text:width$}");
        (text, padded)
    };
    rows.iter()
        .map(|row| std::array::from_fn(|index| cell(row, index)))
        .collect()
}

/// What stands in a table for a value.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            words.join(",")
        }
        _ => "-".to_owned(),
    }
}

/// A text without what would steer a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
