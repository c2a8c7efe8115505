//! How settings are read: each reader says what is wrong with a text that it refuses.

use std::time::Duration;

/// An origin as browsers write it; empty for none.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let origin = text.trim().trim_end_matches('/').to_ascii_lowercase();
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    match authority {
        Some(authority) if !authority.is_empty() && !authority.contains(['/', '*', '@']) => Ok(origin),
        None if origin.is_empty() => Ok(origin),
        _ => Err("an origin is a scheme, a host and a port, such as https://ui.example:8443; \"*\" would let every \
                  web page use the daemon"
            .to_owned()),
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "must be more than 0".to_owned())
}

pub(super) fn days(text: &str) -> Result<Duration, String> {
    let days: f64 = text
        .parse()
        .map_err(|_| "not a number of days".to_owned())?;
    Duration::try_from_secs_f64(days * 86_400.0).map_err(|_| "must be 0 or more".to_owned())
}

pub(super) fn events(text: &str) -> Result<i64, String> {
    let count = text.parse().ok();
    count
        .filter(|count| *count == 0 || *count >= 1_000)
        .ok_or_else(|| "must be 0 or at least 1000".to_owned())
}

/// Tokens say when they end in whole seconds: less than one would be none.
pub(super) fn whole_seconds(text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    if time < Duration::from_secs(1) {
        return Err("must be 1 or more".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_origins() {
        assert_eq!(origin("https://UI.example/").unwrap(), "https://ui.example");
        assert_eq!(origin("").unwrap(), "");
        for bad in [
            "*",
            "ui.example",
            "https://",
            "https://*.example",
            "https://ui.example/path",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
