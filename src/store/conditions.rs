//! What a query says of one field, as an SQL condition.

use sea_orm::{
    DbBackend, Value as SqlValue,
    sea_query::{Alias, BinOper, Condition, Expr, ExprTrait, Func, LikeExpr, Query},
};
use serde_json::Value;

use super::{
    columns::{Column, Kind},
    fields::Link,
};
use crate::{
    core::{
        Record,
        scope::Topic,
        stamp::{LogId, Seq, Since},
    },
    error::{Error, Result},
};

/// Bytes of an id that is looked for at most: streams' have 512 characters.
const LONGEST_ID: usize = 2_048;

/// Bytes of a pattern at most: SQLite takes no longer one.
const LONGEST_PATTERN: usize = 50_000;

/// How many values an operand holds.
pub(super) fn size(operand: &Value) -> usize {
    operand.as_array().map_or(1, Vec::len)
}

pub(super) fn unknown_operator(operator: &str, holder: &Record) -> Error {
    Error::bad_request(format!("Invalid query parameter {operator}"))
        .with_data(Value::Object(holder.clone()))
}

/// A column and what a query says of it: a value, or operators and their operands.
pub(super) fn on_column(column: &Column, value: &Value) -> Result<Condition> {
    let Value::Object(operators) = value else {
        return Ok(Condition::all().add(equals(column, value)?));
    };
    operators
        .iter()
        .try_fold(Condition::all(), |all, (operator, operand)| {
            Ok(all.add(compare(column, operator, operand, operators)?))
        })
}

/// A place inside a JSON column: equal to a value, or one of several, or not.
pub(super) fn inside(
    column: &Column,
    path: &[&str],
    value: &Value,
    backend: DbBackend,
) -> Result<Condition> {
    // As JSON text, so that the string "1" is not the number 1.
    let found = || match backend {
        DbBackend::Postgres => Expr::col(column.iden())
            .cast_as("jsonb")
            .binary(
                BinOper::Custom("#>"),
                Expr::val(format!("{{\"{}\"}}", path.join("\",\""))).cast_as("text[]"),
            )
            .cast_as("text"),
        _ => {
            let at = |path| Expr::col(column.iden()).binary(BinOper::Custom("->"), path);
            let either = |one: Expr, other: Expr| Func::coalesce([one, other]).into();
            let paths = sqlite_paths(path).into_iter().map(at);
            paths
                .reduce(either)
                .unwrap_or_else(|| Expr::col(column.iden()))
        }
    };
    membership(value, |included, values| {
        let named = values.iter().filter(|value| !value.is_null());
        let texts = named.map(spellings).collect::<Result<Vec<_>>>()?.concat();
        let mut any = Condition::any().add(found().is_in(texts));
        if values.iter().any(Value::is_null) {
            any = any.add(found().is_null()).add(found().eq("null"));
        }
        Ok(if included { any } else { any.not() })
    })
}

/// `$."a"."b"`; a number is a place in a list or a name, so there is a path for either.
fn sqlite_paths(path: &[&str]) -> Vec<String> {
    let mut paths = vec!["$".to_owned()];
    for name in path {
        let named = paths.iter().map(|path| format!("{path}.\"{name}\""));
        let mut longer: Vec<_> = named.collect();
        if let Ok(index) = name.parse::<u32>() {
            longer.extend(paths.iter().map(|path| format!("{path}[{index}]")));
        }
        paths = longer;
    }
    paths
}

/// How a value stands in JSON. A text that REST sent may mean a number or a boolean.
fn spellings(value: &Value) -> Result<Vec<String>> {
    match value {
        Value::Array(_) | Value::Object(_) => Err(Error::bad_request(
            "A place inside a JSON field is compared with texts, numbers, booleans and null",
        )),
        Value::String(text) => {
            let meant = serde_json::from_str::<Value>(text).ok();
            let meant = meant.filter(|meant| meant.is_number() || meant.is_boolean());
            let meant = meant.map(|meant| meant.to_string());
            Ok([Some(value.to_string()), meant]
                .into_iter()
                .flatten()
                .collect())
        }
        _ => Ok(vec![value.to_string()]),
    }
}

/// A record that is linked to one of these through another table, or not; null is no link at all.
pub(super) fn through(link: &Link, value: &Value) -> Result<Condition> {
    let own = || Expr::col(Alias::new(link.own));
    membership(value, |included, values| {
        let linked = |ids: Option<Vec<&str>>| {
            let mut select = Query::select();
            select
                .column(Alias::new(link.own))
                .from(Alias::new(link.table));
            if let Some(ids) = ids {
                select.and_where(Expr::col(Alias::new(link.name)).is_in(ids));
            }
            own().in_subquery(select)
        };
        let refused = || Error::bad_request(format!("`{}` must be a string", link.name));
        let ids = values
            .iter()
            .filter(|value| !value.is_null())
            .map(|value| value.as_str().ok_or_else(refused))
            .collect::<Result<Vec<_>>>()?;
        let mut any = Condition::any().add(linked(Some(ids)));
        if values.iter().any(Value::is_null) {
            any = any.add(linked(None).not());
        }
        Ok(if included { any } else { any.not() })
    })
}

/// A place in a log and what a query says of it in stamps.
pub(super) fn on_stamps(column: &Column, log: &LogId, value: &Value) -> Result<Condition> {
    let place = |value: &Value| -> Result<Value> {
        let stamp = match value {
            Value::Null => return Ok(Value::Null),
            Value::String(text) => Since::parse(text).ok(),
            _ => None,
        };
        match stamp {
            Some(Since::After(of, seq)) if of == *log => Ok(seq.0.into()),
            Some(Since::After(..)) => Err(Error::bad_request(format!(
                "`{}` is a stamp of another log; this one's are like {}",
                column.name,
                log.stamp(Seq(1))
            ))),
            _ => Err(Error::bad_request(format!(
                "`{}` must be a stamp such as {}",
                column.name,
                log.stamp(Seq(1))
            ))),
        }
    };
    let places = |operand: &Value| match operand {
        Value::Array(stamps) => stamps.iter().map(place).collect(),
        stamp => place(stamp),
    };
    let Value::Object(operators) = value else {
        return on_column(column, &place(value)?);
    };
    let operators = operators
        .iter()
        .map(|(operator, operand)| Ok((operator.clone(), places(operand)?)));
    on_column(column, &Value::Object(operators.collect::<Result<_>>()?))
}

/// What is about one of these things, or not; null is about none of this kind.
///
/// Topics are a list of texts as JSON without spaces, so that what comes after `[` or `,` and a quote
/// is where one of them begins: inside a text a quote has a backslash.
pub(super) fn about(column: &Column, kind: &str, value: &Value) -> Result<Condition> {
    let lists = |start: &str| {
        let special = |c: char| matches!(c, '\\' | '%' | '_');
        let escaped = |c: char| special(c).then_some('\\').into_iter().chain([c]);
        let start: String = start.chars().flat_map(escaped).collect();
        let like =
            |pattern: String| Expr::col(column.iden()).like(LikeExpr::new(pattern).escape('\\'));
        Condition::any()
            .add(like(format!("[{start}%")))
            .add(like(format!("%,{start}%")))
    };
    membership(value, |included, values| {
        let mut any = Condition::any();
        for value in values {
            any = any.add(match value {
                Value::Null => lists(&format!("\"{kind}:")).not(),
                Value::String(id) if id.len() <= LONGEST_ID && !id.contains('\0') => {
                    lists(&Value::from(Topic::new(kind, id).to_string()).to_string())
                }
                _ => return Err(Error::bad_request(format!("`{kind}` must be an id"))),
            });
        }
        // Nothing is one of no things.
        if values.is_empty() {
            any = any.add(Expr::val(1).eq(0));
        }
        Ok(if included { any } else { any.not() })
    })
}

/// Reads `value`, `$in`, `$ne` and `$nin` as lists that something is in or not.
fn membership(
    value: &Value,
    condition: impl Fn(bool, &[Value]) -> Result<Condition>,
) -> Result<Condition> {
    let Value::Object(operators) = value else {
        return condition(true, std::slice::from_ref(value));
    };
    operators
        .iter()
        .try_fold(Condition::all(), |all, (operator, operand)| {
            let one = std::slice::from_ref(operand);
            let list = operand.as_array().map_or(one, Vec::as_slice);
            Ok(all.add(match operator.as_str() {
                "$in" => condition(true, list)?,
                "$nin" => condition(false, list)?,
                "$ne" => condition(false, one)?,
                _ => return Err(unknown_operator(operator, operators)),
            }))
        })
}

fn equals(column: &Column, value: &Value) -> Result<Expr> {
    let left = Expr::col(column.iden());
    Ok(if value.is_null() {
        left.is_null()
    } else {
        left.eq(column.store(value)?)
    })
}

fn compare(column: &Column, operator: &str, operand: &Value, holder: &Record) -> Result<Condition> {
    let left = || Expr::col(column.iden());
    let stored = || column.store(operand);
    let pattern = || match operand {
        Value::String(pattern) if pattern.len() > LONGEST_PATTERN => {
            let text = format!("{operator} takes a pattern of at most {LONGEST_PATTERN} bytes");
            Err(Error::bad_request(text))
        }
        Value::String(pattern) if column.kind == Kind::Text && !pattern.contains('\0') => {
            Ok(LikeExpr::new(pattern.clone()).escape('\\'))
        }
        _ => {
            let text = format!("{operator} looks into texts: it takes one with % and _");
            Err(Error::bad_request(text))
        }
    };
    let expression = match operator {
        "$in" => return members(column, operand, operator, true),
        "$nin" => return members(column, operand, operator, false),
        "$ne" if operand.is_null() => left().is_not_null(),
        "$ne" => left().ne(stored()?),
        "$lt" => left().lt(stored()?),
        "$lte" => left().lte(stored()?),
        "$gt" => left().gt(stored()?),
        "$gte" => left().gte(stored()?),
        "$like" => left().like(pattern()?),
        "$notlike" => left().not_like(pattern()?),
        // Letters of ASCII only, as SQLite's lower() knows no other.
        "$ilike" => {
            pattern()?;
            let pattern = operand.as_str().unwrap_or_default().to_ascii_lowercase();
            Expr::expr(Func::lower(left())).like(LikeExpr::new(pattern).escape('\\'))
        }
        _ => return Err(unknown_operator(operator, holder)),
    };
    Ok(Condition::all().add(expression))
}

fn members(column: &Column, operand: &Value, operator: &str, included: bool) -> Result<Condition> {
    let one;
    let list = match operand {
        Value::Array(list) => list,
        // REST's `field[$in]=x`: a list of one.
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            one = vec![operand.clone()];
            &one
        }
        _ => return Err(Error::bad_request(format!("{operator} takes a list"))),
    };
    let with_null = list.iter().any(Value::is_null);
    let values = list
        .iter()
        .filter(|value| !value.is_null())
        .map(|value| column.store(value));
    let values = values.collect::<Result<Vec<SqlValue>>>()?;
    let left = || Expr::col(column.iden());
    Ok(match (included, with_null) {
        (true, false) => Condition::all().add(left().is_in(values)),
        (true, true) => Condition::any()
            .add(left().is_in(values))
            .add(left().is_null()),
        (false, false) => Condition::all().add(left().is_not_in(values)),
        (false, true) => Condition::all()
            .add(left().is_not_in(values))
            .add(left().is_not_null()),
    })
}
