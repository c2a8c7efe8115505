//! What a query may name: a table's columns, other names for them, places inside JSON columns
//! (`genealogy.parent_session_id`), and what is linked through another table.

use super::columns::{Column, Kind};
use crate::{
    core::stamp::LogId,
    error::{Error, Result},
};

/// Names in a dotted path at most, the column's among them, and numbers among them.
const DEEPEST: usize = 8;
const NUMBERS: usize = 3;

/// All that a table's queries may name.
#[derive(Clone, Debug)]
pub struct Fields {
    columns: Vec<Column>,
    /// Other names, and the columns that they mean.
    aliases: Vec<(&'static str, Column)>,
    links: Vec<Link>,
    /// The column of places in a log, which queries name by stamps.
    stamps: Option<(&'static str, LogId)>,
    /// The column that lists topics, and their kinds, which queries name.
    topics: Option<(Column, &'static [&'static str])>,
}

/// What a record is linked to through another table: `board_id` of sessions.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The name in queries, and the column of the other thing's id in the link table.
    pub name: &'static str,
    /// The link table.
    pub table: &'static str,
    /// The column of the record's id, in both tables.
    pub own: &'static str,
}

/// What a name in a query means.
pub(super) enum Target<'a> {
    /// A column.
    Column(&'a Column),
    /// A place inside a JSON column.
    Inside(&'a Column, Vec<&'a str>),
    /// Through another table.
    Link(&'a Link),
    /// A place in this log.
    Stamp(&'a Column, &'a LogId),
    /// The topics of a kind, in this column.
    Topic(&'a Column, &'a str),
}

impl Fields {
    /// These columns, by their names.
    pub const fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            aliases: Vec::new(),
            links: Vec::new(),
            stamps: None,
            topics: None,
        }
    }

    /// Leaves only these columns.
    pub(crate) fn only(&mut self, names: &[&str]) {
        self.columns.retain(|column| names.contains(&column.name));
    }

    /// Gives a column another name.
    ///
    /// # Panics
    /// If there is no such column: a mistake of the program.
    pub(crate) fn alias(&mut self, alias: &'static str, name: &str) {
        let column = self.columns.iter().find(|column| column.name == name);
        let column = column.unwrap_or_else(|| panic!("no column `{name}` for `{alias}`"));
        self.aliases.push((alias, column.clone()));
    }

    /// Lets queries name a link.
    pub(crate) fn link(&mut self, link: Link) {
        self.links.push(link);
    }

    /// Has queries name places in a log by stamps.
    pub(super) fn stamps(&mut self, name: &'static str, log: LogId) {
        self.stamps = Some((name, log));
    }

    /// Lets queries name topics by their kinds.
    pub(super) const fn topics(&mut self, column: Column, kinds: &'static [&'static str]) {
        self.topics = Some((column, kinds));
    }

    /// The column of a name.
    ///
    /// # Errors
    /// `BadRequest` if there is none.
    pub(super) fn column(&self, name: &str) -> Result<&Column> {
        let aliases = self.aliases.iter().map(|(alias, column)| (*alias, column));
        let columns = self.columns.iter().map(|column| (column.name, column));
        let mut named = columns.chain(aliases).filter(|(known, _)| *known == name);
        named
            .next()
            .map(|(_, column)| column)
            .ok_or_else(|| Error::bad_request(format!("Unknown field '{name}'")))
    }

    /// What a name means.
    ///
    /// # Errors
    /// `BadRequest` if it means nothing.
    pub(super) fn target<'a>(&'a self, name: &'a str) -> Result<Target<'a>> {
        if let Some(link) = self.links.iter().find(|link| link.name == name) {
            return Ok(Target::Link(link));
        }
        if let Some((stamped, log)) = &self.stamps
            && *stamped == name
        {
            return Ok(Target::Stamp(self.column(name)?, log));
        }
        if let Some((column, kinds)) = &self.topics
            && kinds.contains(&name)
        {
            return Ok(Target::Topic(column, name));
        }
        let Some((head, rest)) = name.split_once('.') else {
            return self.column(name).map(Target::Column);
        };
        let plain = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            !part.is_empty() && part.chars().all(allowed)
        };
        let path: Vec<_> = rest.split('.').collect();
        let numbers = path
            .iter()
            .filter(|part| part.parse::<u32>().is_ok())
            .count();
        let column = self
            .column(head)
            .ok()
            .filter(|column| column.kind == Kind::Json);
        match column {
            Some(column)
                if path.len() < DEEPEST
                    && numbers <= NUMBERS
                    && path.iter().all(|part| plain(part)) =>
            {
                Ok(Target::Inside(column, path))
            }
            _ => Err(Error::bad_request(format!("Unknown field '{name}'"))),
        }
    }
}
