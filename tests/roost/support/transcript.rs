//! The lines of a transcript: what they say, and whether it was said.

use serde_json::Value;

use super::phoenix::Frame;

/// A path, and headers.
pub type Attempt<'a> = (&'a str, Vec<(&'static str, String)>);

/// The path and the headers of `/path headers={…}` or `/path subprotocols=[…]`.
pub fn attempt(what: &str) -> Attempt<'_> {
    let (path, more) = what.split_once(' ').unwrap_or((what, ""));
    let (kind, json) = more.split_once('=').unwrap_or(("", "null"));
    let json: Value = serde_json::from_str(json).expect("JSON");
    let header = match kind {
        "headers" => json["Origin"]
            .as_str()
            .map(|origin| ("origin", origin.to_owned())),
        "subprotocols" => {
            let offers: Vec<_> = json
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            Some(("sec-websocket-protocol", offers.join(",")))
        }
        _ => None,
    };
    (path, header.into_iter().collect())
}

pub fn join(n: u32, object: bool) -> String {
    if object {
        format!(r#"{{"topic":"room:np{n}","event":"phx_join","payload":{{}},"ref":"{n}"}}"#)
    } else {
        format!(r#"["{n}","{n}","room:np{n}","phx_join",{{}}]"#)
    }
}

pub fn said(frame: &Frame) -> String {
    match frame {
        Frame::Text(text) => text.clone(),
        Frame::Binary(bytes) => format!("BIN {}", hex(bytes)),
        Frame::Pong(bytes) => format!("PONG {}", String::from_utf8_lossy(bytes)),
        Frame::End(code) => format!("CLOSE {}", code.unwrap_or_default()),
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of `BIN[2] 0001  |..|`.
pub fn binary(what: &str) -> Option<Vec<u8>> {
    let (_, rest) = what.strip_prefix("BIN[")?.split_once("] ")?;
    let (hex, _) = rest.split_once("  |").unwrap_or(("", rest));
    let hex = hex.trim();
    let byte = |index| u8::from_str_radix(&hex[index..index + 2], 16).expect("hex");
    Some((0..hex.len()).step_by(2).map(byte).collect())
}

/// Refs of metas are new every time; bytes are compared as bytes.
pub fn mask(what: &str) -> String {
    if let Some(bytes) = binary(what) {
        return format!("BIN {}", hex(&bytes));
    }
    let mut masked = String::new();
    let mut rest = what;
    while let Some(start) = rest.find("\"phx_ref") {
        let value = start + rest[start..].find("\":\"").expect("a value") + 3;
        let end = value + rest[value..].find('"').expect("an end");
        masked += &rest[..value];
        rest = &rest[end..];
    }
    masked + rest
}

/// Whether a frame is one of which the transcript has both ends and the length only.
pub fn fits(heard: &str, expected: &str) -> bool {
    let Some((head, rest)) = expected.split_once("…(") else {
        return heard == expected;
    };
    let (count, tail) = rest.split_once(" chars)…").expect("a length");
    heard.starts_with(head) && heard.ends_with(tail) && heard.chars().count().to_string() == count
}

/// Writes out `xxx…(3936 chars)…xxx`.
pub fn expand(what: &str) -> String {
    let Some((head, rest)) = what.split_once("…(") else {
        return what.to_owned();
    };
    let (count, tail) = rest.split_once(" chars)…").expect("a length");
    let count: usize = count.parse().expect("a length");
    let fill = head.chars().last().expect("a head").to_string();
    let missing = count - head.chars().count() - tail.chars().count();
    format!("{head}{}{tail}", fill.repeat(missing))
}
