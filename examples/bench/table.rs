//! What was measured, as a table: the median of the rounds, their range, and how many times better
//! the first column is than the second.

/// A thing that is measured.
#[derive(Clone, PartialEq)]
pub(crate) struct Metric {
    name: String,
    unit: &'static str,
    better: Better,
    goal: &'static str,
}

/// Which of two values is the better one.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Better {
    /// The larger.
    More,
    /// The smaller.
    Less,
}

/// A value that was measured.
pub(crate) type Sample = (Metric, f64);

/// The samples of every round.
pub(crate) struct Table {
    /// What is measured: one thing, or two that are compared.
    pub(crate) columns: Vec<String>,
    /// For each metric, each column's samples.
    rows: Vec<(Metric, [Vec<f64>; 2])>,
}

impl Metric {
    /// A metric without a goal.
    pub(crate) fn new(name: &str, unit: &'static str, better: Better) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            better,
            goal: "",
        }
    }

    /// Names what is aimed at: a ratio, or a value.
    pub(crate) const fn goal(mut self, goal: &'static str) -> Self {
        self.goal = goal;
        self
    }
}

impl Table {
    /// An empty table of one or two columns.
    pub(crate) const fn new(columns: Vec<String>) -> Self {
        let rows = Vec::new();
        Self { columns, rows }
    }

    /// Adds what was measured for a column.
    pub(crate) fn add(&mut self, column: usize, samples: Vec<Sample>) {
        for (metric, value) in samples {
            let row = self
                .rows
                .iter()
                .position(|(known, _)| *known == metric)
                .unwrap_or(self.rows.len());
            if row == self.rows.len() {
                self.rows.push((metric, Default::default()));
            }
            self.rows[row].1[column].push(value);
        }
    }

    /// The table in Markdown.
    pub(crate) fn text(&self, rounds: u32) -> String {
        let mut rows = vec![vec![format!("median (range) of {rounds}")]];
        rows[0].extend(self.columns.iter().cloned());
        let first = self.columns.first().map_or("", String::as_str);
        rows[0].extend([format!("{first} is better"), "goal".to_owned()]);
        for (metric, values) in &self.rows {
            let mut row = vec![format!("{}, {}", metric.name, metric.unit)];
            row.extend(
                values
                    .iter()
                    .take(self.columns.len())
                    .map(|values| cell(values)),
            );
            row.push(ratio(metric.better, values));
            row.push(metric.goal.to_owned());
            rows.push(row);
        }
        layout(&rows)
    }
}

fn layout(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len))
        .filter_map(width)
        .collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text += &if column == 0 {
                format!("| {cell:width$} ")
            } else {
                format!("| {cell:>width$} ")
            };
        }
        text += "|\n";
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let colon = if column == 0 { "-" } else { ":" };
                text += &format!("|{}{colon}", "-".repeat(width + 1));
            }
            text += "|\n";
        }
    }
    text
}

fn cell(values: &[f64]) -> String {
    let sorted = sorted(values);
    match (sorted.first(), sorted.last()) {
        (Some(least), Some(most)) => format!(
            "{} ({} - {})",
            short(median(values)),
            short(*least),
            short(*most)
        ),
        _ => "not measured".to_owned(),
    }
}

fn ratio(better: Better, [ours, theirs]: &[Vec<f64>; 2]) -> String {
    if ours.is_empty() || theirs.is_empty() {
        return String::new();
    }
    let ratio = match better {
        Better::More => median(ours) / median(theirs),
        Better::Less => median(theirs) / median(ours),
    };
    format!("{}x", short(ratio))
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    }
}

/// Three digits, or all that are left of the point.
fn short(value: f64) -> String {
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}
