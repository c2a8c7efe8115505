//! What a table's columns hold, and how JSON values go in and out of them.

use sea_orm::{
    ColumnTrait, ColumnType, EntityTrait, IdenStatic, Iterable, Value as SqlValue,
    sea_query::{Alias, DynIden, IntoIden},
};
use serde_json::{Number, Value};

use crate::{
    core::clock::Timestamp,
    error::{Error, Result},
};

/// What a column holds. Times and JSON are stored as text, the same in both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Kind {
    Text,
    Integer,
    Real,
    Boolean,
    Time,
    Json,
}

/// A column as queries and records name it.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in the table and on the wire.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be empty.
    pub nullable: bool,
}

impl Column {
    /// The column's identifier for a statement.
    pub fn iden(&self) -> DynIden {
        Alias::new(self.name).into_iden()
    }

    /// The columns of an entity, in the order of its fields.
    pub fn all<E: EntityTrait>() -> Vec<Self> {
        E::Column::iter()
            .map(|column| {
                let definition = column.def();
                Self {
                    name: IdenStatic::as_str(&column),
                    kind: Kind::of(definition.get_column_type()),
                    nullable: definition.is_null(),
                }
            })
            .collect()
    }

    /// Turns a JSON value into what the column stores. REST sends text for everything, so text is
    /// read as the column's kind.
    ///
    /// # Errors
    /// `BadRequest` if the value does not fit.
    pub fn store(&self, value: &Value) -> Result<SqlValue> {
        if value.is_null() && self.kind != Kind::Json {
            return Ok(self.null());
        }
        let stored = match self.kind {
            Kind::Text => text(value).map(|text| SqlValue::String(Some(text))),
            Kind::Integer => integer(value).map(|integer| SqlValue::BigInt(Some(integer))),
            Kind::Real => real(value).map(|real| SqlValue::Double(Some(real))),
            Kind::Boolean => boolean(value).map(|boolean| SqlValue::Bool(Some(boolean))),
            Kind::Time => time(value).map(|time| SqlValue::String(Some(time.to_string()))),
            Kind::Json if value.is_null() => return Ok(self.null()),
            Kind::Json => Some(SqlValue::String(Some(value.to_string()))),
        };
        stored.ok_or_else(|| {
            Error::bad_request(format!("`{}` must be {}", self.name, self.kind.describe()))
        })
    }

    /// As [`store`](Self::store), for a row: what must be there is.
    ///
    /// # Errors
    /// `BadRequest` if the value is missing or does not fit.
    pub fn required(&self, value: &Value) -> Result<SqlValue> {
        if value.is_null() && !self.nullable {
            return Err(Error::bad_request(format!("`{}` is required", self.name)));
        }
        self.store(value)
    }

    /// The value as it will be read back: text that was read as another kind becomes that kind.
    ///
    /// # Errors
    /// `BadRequest` if the value does not fit.
    pub fn load(&self, value: &Value) -> Result<Value> {
        match self.kind {
            Kind::Json => Ok(value.clone()),
            _ => Ok(self.loaded(value, &self.store(value)?)),
        }
    }

    /// As [`load`](Self::load), for a value and what [`store`](Self::store) made of it.
    pub fn loaded(&self, value: &Value, stored: &SqlValue) -> Value {
        match stored {
            _ if self.kind == Kind::Json => value.clone(),
            SqlValue::String(Some(text)) => Value::String(text.clone()),
            SqlValue::BigInt(Some(integer)) => Value::from(*integer),
            SqlValue::Double(Some(real)) => number(*real),
            SqlValue::Bool(Some(boolean)) => Value::Bool(*boolean),
            _ => Value::Null,
        }
    }

    /// The column's empty value.
    pub const fn null(&self) -> SqlValue {
        match self.kind {
            Kind::Text | Kind::Time | Kind::Json => SqlValue::String(None),
            Kind::Integer => SqlValue::BigInt(None),
            Kind::Real => SqlValue::Double(None),
            Kind::Boolean => SqlValue::Bool(None),
        }
    }
}

impl Kind {
    const fn of(column_type: &ColumnType) -> Self {
        match column_type {
            ColumnType::TinyInteger
            | ColumnType::SmallInteger
            | ColumnType::Integer
            | ColumnType::BigInteger
            | ColumnType::Unsigned
            | ColumnType::BigUnsigned => Self::Integer,
            ColumnType::Float | ColumnType::Double => Self::Real,
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Timestamp => Self::Time,
            ColumnType::Json | ColumnType::JsonBinary => Self::Json,
            _ => Self::Text,
        }
    }

    const fn describe(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Real => "a number",
            Self::Boolean => "a boolean",
            Self::Time => "a time such as 2026-11-21T00:39:58.239Z",
            Self::Json => "a JSON value",
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        // Neither database keeps this character the way a client means it.
        Value::String(text) => (!text.contains('\0')).then(|| text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        _ => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked first"
)]
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let real = number.as_f64()?;
            (real.fract() == 0.0 && real.abs() < 9e15).then_some(real as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(boolean) => Some(i64::from(*boolean)),
        _ => None,
    }
}

fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|real: &f64| real.is_finite()),
        _ => None,
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(boolean) => Some(*boolean),
        Value::Number(number) => match number.as_i64()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Value::String(text) => match text.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => Timestamp::parse(text),
        Value::Number(number) => Timestamp::from_millis(number.as_i64()?),
        _ => None,
    }
}

/// Reads a stored text as a JSON column's value.
pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Reads a stored number; what JSON cannot write becomes null.
pub(super) fn number(real: f64) -> Value {
    Number::from_f64(real).map_or(Value::Null, Value::Number)
}
