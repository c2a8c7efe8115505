//! Slugs: names that go into paths, each once in its table.

use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait};

use super::reading::Fields;
use crate::{
    core::Record,
    error::{Error, Result},
    store::{lane::Work, table::Table, transaction::Reader},
};

/// Characters of a slug that is given, and of one that is made.
const GIVEN: usize = 255;
const MADE: usize = 200;

/// The `slug` that is given, if there is one.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<String> {
    let slug = fields.text("slug", GIVEN)?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if slug.is_empty() || !slug.chars().all(is_plain) {
        let text = "String should be lower-case letters, digits, '-' and '_'";
        fields.wrong("slug", "string_pattern_mismatch", text);
    }
    Some(slug)
}

/// The row of a table with a slug, if there is one.
///
/// # Errors
/// If the database fails.
pub(super) async fn find(table: &Table, slug: &str, db: &mut dyn Reader) -> Result<Option<Record>> {
    if slug.contains('\0') {
        return Ok(None);
    }
    let own = Condition::all().add(Expr::col(Alias::new("slug")).eq(slug));
    let rows = db.select(&table.select(own), table.columns()).await?;
    Ok(rows.into_iter().next())
}

/// The slug of a new row: the one that is given, else one that is made of its name. `what` is what such a row
/// is called.
///
/// # Errors
/// `Conflict` where the one that is given is taken, or if the database fails.
pub(super) async fn choose(
    table: &Table,
    given: Option<String>,
    (name, what): (&str, &str),
    work: &mut Work<'_>,
) -> Result<String> {
    let is_given = given.is_some();
    let slug = given.unwrap_or_else(|| of(name, what));
    if find(table, &slug, work.tx).await?.is_none() {
        return Ok(slug);
    }
    if is_given {
        let text = format!("There is a {what} with the slug {slug} already");
        return Err(Error::conflict(text));
    }
    Ok(format!("{slug}-{}", work.clock.random_id()))
}

/// What a name is in a path: its letters and digits, and hyphens between them.
fn of(name: &str, what: &str) -> String {
    let words = name.to_lowercase();
    let words = words.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").chars().take(MADE).collect();
    if slug.is_empty() {
        return what.replace(' ', "-");
    }
    slug
}
