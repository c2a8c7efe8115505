//! Feathers queries as SQL conditions.
//!
//! Source: docs/protocols/feathers.md, "Queries" (the common query syntax of Feathers 5). Text is
//! read as the column's kind, so REST's strings find integers, booleans and times.

use std::cell::Cell;

use sea_orm::{
    DbBackend, Order,
    sea_query::{Condition, NullOrdering, SelectStatement},
};
use serde_json::{Value, json};

use super::{
    columns::Column,
    conditions::{self, size, unknown_operator},
    fields::{Fields, Target},
};
use crate::{
    core::Record,
    error::{Error, Result},
};

/// How deep `$or` and `$and` may nest.
const DEPTH: usize = 5;

/// Conditions in a query: each nests one level deeper in SQL, and SQLite goes 1,000 deep.
const CONDITIONS: usize = 250;

/// Ids of topics in a query: each is looked for in every event's list.
const TOPICS: usize = 50;

/// Values in a query: SQLite takes 32,766.
const VALUES: usize = 10_000;

/// A parsed query; the default one asks for everything.
#[derive(Clone, Debug)]
pub struct Query {
    /// What must hold.
    pub condition: Condition,
    /// Columns to sort by, first counts most.
    pub sort: Vec<(Column, Order)>,
    /// How many records at most, if the client said a valid number.
    pub limit: Option<u64>,
    /// How many to leave out at the start.
    pub skip: u64,
    /// The fields to answer with; `None` for all.
    pub select: Option<Vec<String>>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            condition: Condition::all(),
            sort: Vec::new(),
            limit: None,
            skip: 0,
            select: None,
        }
    }
}

impl Query {
    /// Reads a query over these fields, for this database.
    ///
    /// # Errors
    /// `BadRequest` for an unknown filter, operator or field, or a value of the wrong kind.
    pub fn parse(query: &Record, fields: &Fields, backend: DbBackend) -> Result<Self> {
        let mut parsed = Self::default();
        let reader = Reader {
            fields,
            backend,
            conditions: Cell::new(CONDITIONS),
            topics: Cell::new(TOPICS),
            values: Cell::new(VALUES),
        };
        for (key, value) in query {
            match key.as_str() {
                "$limit" => parsed.limit = count(value),
                "$skip" => parsed.skip = count(value).unwrap_or(0),
                "$sort" => parsed.sort = reader.sort(value)?,
                "$select" => parsed.select = Some(reader.select(value)?),
                "$or" | "$and" => {
                    parsed.condition = parsed.condition.add(reader.group(key, value, 1)?);
                }
                _ if key.starts_with('$') => {
                    return Err(Error::bad_request(format!("Invalid filter value {key}")));
                }
                _ => parsed.condition = parsed.condition.add(reader.property(key, value)?),
            }
        }
        Ok(parsed)
    }

    /// Adds the order to a select: null first ascending, last descending, on both databases.
    pub fn order(&self, select: &mut SelectStatement) {
        for (column, order) in &self.sort {
            // PostgreSQL's indexes have null last, and would not be used.
            if !column.nullable {
                select.order_by(column.iden(), order.clone());
                continue;
            }
            let nulls = if *order == Order::Asc {
                NullOrdering::First
            } else {
                NullOrdering::Last
            };
            select.order_by_with_nulls(column.iden(), order.clone(), nulls);
        }
    }

    /// Keeps the selected fields, and the id, of a record.
    pub fn pick(&self, record: &mut Record, id: &str) {
        if let Some(select) = &self.select {
            record.retain(|name, _| name == id || select.iter().any(|selected| selected == name));
        }
    }
}

/// A count as Feathers reads it: the leading integer; `None` unless it is zero or more.
fn count(value: &Value) -> Option<u64> {
    // A number's text starts with its integer part; a larger one than fits is as good as the largest.
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
    match digits.parse() {
        Ok(count) => Some(count),
        Err(_) if digits.is_empty() => None,
        Err(_) => Some(u64::MAX),
    }
}

struct Reader<'a> {
    fields: &'a Fields,
    backend: DbBackend,
    /// How many conditions, topics and values may still come.
    conditions: Cell<usize>,
    topics: Cell<usize>,
    values: Cell<usize>,
}

/// Takes from a budget.
fn spend(budget: &Cell<usize>, count: usize, what: &str, most: usize) -> Result<()> {
    let left = budget.get().checked_sub(count);
    let left = left.ok_or_else(|| Error::bad_request(format!("A query may have {most} {what}")))?;
    budget.set(left);
    Ok(())
}

impl Reader<'_> {
    fn sort(&self, value: &Value) -> Result<Vec<(Column, Order)>> {
        let Value::Object(fields) = value else {
            return Err(Error::bad_request(
                "$sort must be an object such as {\"name\": 1}",
            ));
        };
        let order = |(name, direction): (&String, &Value)| {
            let ascending = *direction == json!(1) || *direction == json!("1");
            Ok((
                self.fields.column(name)?.clone(),
                if ascending { Order::Asc } else { Order::Desc },
            ))
        };
        fields.iter().map(order).collect()
    }

    fn select(&self, value: &Value) -> Result<Vec<String>> {
        let refused = || Error::bad_request("$select must be a list of field names");
        match value {
            Value::String(name) => Ok(vec![name.clone()]),
            Value::Array(names) => names
                .iter()
                .map(|name| name.as_str().map(str::to_owned).ok_or_else(refused))
                .collect(),
            _ => Err(refused()),
        }
    }

    fn group(&self, key: &str, value: &Value, depth: usize) -> Result<Condition> {
        let Value::Array(parts) = value else {
            return Err(Error::bad_request(format!(
                "{key} must be a list of queries"
            )));
        };
        spend(&self.conditions, parts.len(), "conditions", CONDITIONS)?;
        if depth > DEPTH {
            return Err(Error::bad_request(format!(
                "$or and $and may nest {DEPTH} deep"
            )));
        }
        // An empty $or is no condition.
        let empty = if key == "$or" && !parts.is_empty() {
            Condition::any()
        } else {
            Condition::all()
        };
        parts
            .iter()
            .try_fold(empty, |group, part| Ok(group.add(self.part(part, depth)?)))
    }

    fn part(&self, part: &Value, depth: usize) -> Result<Condition> {
        let Value::Object(properties) = part else {
            return Err(Error::bad_request(
                "$or and $and hold queries such as {\"name\": \"Ann\"}",
            ));
        };
        properties
            .iter()
            .try_fold(Condition::all(), |all, (key, value)| {
                Ok(all.add(match key.as_str() {
                    "$or" | "$and" => self.group(key, value, depth + 1)?,
                    _ if key.starts_with('$') => return Err(unknown_operator(key, properties)),
                    _ => self.property(key, value)?,
                }))
            })
    }

    fn property(&self, name: &str, value: &Value) -> Result<Condition> {
        let target = self.fields.target(name)?;
        let values = match value {
            Value::Object(operators) => operators.values().map(size).sum(),
            _ => 1,
        };
        let conditions = match (&target, value) {
            (Target::Topic(..), _) => {
                spend(&self.topics, values, "ids of topics", TOPICS)?;
                values
            }
            (_, Value::Object(operators)) => operators.len(),
            _ => 1,
        };
        spend(&self.conditions, conditions, "conditions", CONDITIONS)?;
        spend(&self.values, values, "values", VALUES)?;
        match target {
            Target::Column(column) => conditions::on_column(column, value),
            Target::Inside(column, path) => conditions::inside(column, &path, value, self.backend),
            Target::Link(link) => conditions::through(link, value),
            Target::Stamp(column, log) => conditions::on_stamps(column, log, value),
            Target::Topic(column, kind) => conditions::about(column, kind, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::columns::Kind;

    fn fields() -> Fields {
        let column = |name, kind| Column {
            name,
            kind,
            nullable: true,
        };
        Fields::new(vec![
            column("age", Kind::Integer),
            column("name", Kind::Text),
            column("at", Kind::Time),
            column("notes", Kind::Json),
        ])
    }

    /// Any JSON, with the words of queries in it.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        let key = prop_oneof![
            Just("$in"),
            Just("$or"),
            Just("$and"),
            Just("$gt"),
            Just("$sort"),
            Just("$limit"),
            Just("$select"),
            Just("age"),
            Just("name"),
            Just("at"),
            Just("$like"),
            Just("notes.a.b"),
            Just("__proto__"),
        ];
        leaf.prop_recursive(6, 40, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..4).prop_map(|pairs| {
                    Value::Object(
                        pairs
                            .into_iter()
                            .map(|(key, value)| (key.to_owned(), value))
                            .collect(),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_whatever_query_comes_or_refuses_it(query in json()) {
            let Value::Object(query) = query else { return Ok(()) };
            for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
                if let Err(error) = Query::parse(&query, &fields(), backend) {
                    prop_assert_eq!(error.kind().status(), 400);
                }
            }
        }
    }

    #[test]
    fn counts_as_feathers_does() {
        let cases = [
            (json!(5), Some(5)),
            (json!("7x"), Some(7)),
            (json!(" 3 "), Some(3)),
            (json!(2.9), Some(2)),
            (json!(-1), None),
            (json!("abc"), None),
            (json!(null), None),
        ];
        for (value, expected) in cases {
            assert_eq!(count(&value), expected, "{value}");
        }
        assert!(count(&json!(1e300)).is_some());
    }
}
