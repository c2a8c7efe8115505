//! What an agent says of itself, checked.

use serde_json::{Value, json};

use super::super::{
    shapes::{objects, texts},
    values::{one_of, text},
};
use crate::{
    core::Record,
    error::{Error, Result},
};

const STATUSES: [&str; 3] = ["active", "draft", "inactive"];

/// Characters of a text at most.
const LONGEST: [(&str, usize); 4] = [
    ("name", 200),
    ("did", 255),
    ("description", 10_000),
    ("pricing_model", 64),
];

/// Capabilities at most, and characters of one.
const CAPABILITIES: (usize, usize) = (64, 100);

/// Bytes of the metadata at most.
const LONGEST_METADATA: usize = 16 << 10;

/// Checks the fields that are there.
///
/// # Errors
/// `BadRequest`.
pub(super) fn check(agent: &Record) -> Result<()> {
    for (name, longest) in LONGEST {
        let Some(value) = agent.get(name).filter(|value| !value.is_null()) else {
            continue;
        };
        let fits = |text: &str| {
            let count = text.chars().count();
            (1..=longest).contains(&count) && !text.contains('\0')
        };
        if !value.as_str().is_some_and(fits) {
            let text = format!("`{name}` must be a text of 1 to {longest} characters");
            return Err(Error::bad_request(text));
        }
    }
    if text(agent, "did").is_some_and(|did| !is_did(did)) {
        let text = "`did` must be like did:example:an-agent: did, a method, an id";
        return Err(Error::bad_request(text));
    }
    one_of(agent, "status", &STATUSES)?;
    capabilities(agent)?;
    objects(agent, ["metadata"])?;
    let metadata = agent.get("metadata");
    if metadata.is_some_and(|metadata| metadata.to_string().len() > LONGEST_METADATA) {
        let text = format!("`metadata` must have at most {LONGEST_METADATA} bytes");
        return Err(Error::bad_request(text));
    }
    Ok(())
}

fn capabilities(agent: &Record) -> Result<()> {
    texts(agent, ["capabilities"])?;
    let (most, longest) = CAPABILITIES;
    let capabilities = agent.get("capabilities").and_then(Value::as_array);
    let mut items = capabilities.into_iter().flatten().filter_map(Value::as_str);
    let fits = |item: &str| (1..=longest).contains(&item.chars().count()) && !item.contains('\0');
    if capabilities.is_some_and(|list| list.len() > most) || !items.all(fits) {
        return Err(Error::bad_request(format!(
            "`capabilities` must be a list of at most {most} texts of 1 to {longest} characters"
        )));
    }
    Ok(())
}

/// Spells a price with two decimals or more, whether it came as a text or as a number.
///
/// # Errors
/// `BadRequest` if it is none.
pub fn price(record: &mut Record, name: &str) -> Result<()> {
    let Some(value) = record.get_mut(name).filter(|value| !value.is_null()) else {
        return Ok(());
    };
    let given = match &*value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let spelled = spell_price(&given).ok_or_else(|| {
        Error::bad_request(format!(
            "`{name}` must be a decimal number from 0, such as \"25.00\""
        ))
    })?;
    *value = json!(spelled);
    Ok(())
}

/// `25`, `25.5` and `25.50` as `25.50`; up to 12 digits, and 6 behind the point.
fn spell_price(given: &str) -> Option<String> {
    let (whole, part) = given.split_once('.').unwrap_or((given, "0"));
    let digits = |text: &str, most| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    (digits(whole, 12) && digits(part, 6)).then(|| format!("{whole}.{part:0<2}"))
}

/// Whether a text is a DID, as <https://www.w3.org/TR/did-core/#did-syntax> has them.
fn is_did(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let (scheme, method, id) = (parts.next(), parts.next(), parts.next());
    let is_method = |method: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !method.is_empty() && method.bytes().all(fits)
    };
    let is_id = |id: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:%".contains(&byte);
        !id.is_empty() && !id.ends_with(':') && id.bytes().all(fits)
    };
    scheme == Some("did") && method.is_some_and(is_method) && id.is_some_and(is_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_spelled_alike() {
        for (given, spelled) in [
            ("25", Some("25.00")),
            ("25.5", Some("25.50")),
            ("0.125", Some("0.125")),
            ("", None),
            ("-1", None),
            ("1.", None),
            (".5", None),
            ("1e3", None),
            ("1,50", None),
            ("1234567890123", None),
        ] {
            assert_eq!(spell_price(given).as_deref(), spelled, "{given}");
        }
    }

    #[test]
    fn dids_have_a_method_and_an_id() {
        for did in ["did:example:a", "did:web:example.com:agents:a%20b"] {
            assert!(is_did(did), "{did}");
        }
        for text in [
            "did",
            "did:",
            "did:a",
            "did:a:",
            "did:A:b",
            "did:a:b:",
            "did:a:b/c",
            "dad:a:b",
        ] {
            assert!(!is_did(text), "{text}");
        }
    }
}
