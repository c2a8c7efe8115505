//! What the command line and the variables say.

use super::*;

#[test]
fn the_example_file_names_every_setting() {
    let example = include_str!("../../.env.example");
    let variables = variables();
    assert!(variables.contains("LISTEN") && variables.contains("ROOST_TOKEN"));
    for variable in variables {
        let assignment = format!("{variable}=");
        let mut lines = example.lines();
        assert!(
            lines.any(|line| line.contains(&assignment)),
            "{variable} is missing"
        );
    }
}

#[test]
fn shows_no_secret() {
    let cli = Cli::parse_from(["roost", "--database-url", "postgres://ann:hunter2@db/roost"]);
    assert!(!format!("{cli:?}").contains("hunter2"));
    let cli = Cli::parse_from(["roost", "key", "list", "--token", "ap_hunter2"]);
    assert!(!format!("{cli:?}").contains("hunter2"));
}

#[test]
fn reads_addresses() {
    let config = |arguments: &[&str]| Cli::parse_from([&["roost"], arguments].concat()).config;
    let addresses = |arguments: &[&str]| config(arguments).addresses();
    assert_eq!(
        addresses(&["--listen", "[::1]:4,a:5"]).unwrap(),
        [("::1".to_owned(), 4), ("a".to_owned(), 5)]
    );
    assert_eq!(
        addresses(&["--port", "4000"]).unwrap(),
        [("localhost".to_owned(), 4000)]
    );
    assert!(addresses(&["--listen", "4000"]).is_err());
}

#[test]
fn a_login_is_good_for_a_second_at_least() {
    let parse = |secs| Cli::try_parse_from(["roost", "--token-secs", secs]);
    for bad in ["0", "0.5", "0.999", "-1", "soon"] {
        let arguments = format!("--token-secs={bad}");
        assert!(Cli::try_parse_from(["roost", &arguments]).is_err(), "{bad}");
    }
    for (good, millis) in [("1", 1_000), ("1.5", 1_500)] {
        assert_eq!(parse(good).unwrap().config.token_secs.as_millis(), millis);
    }
}

#[test]
fn an_open_daemon_stays_on_loopback() {
    let config = |arguments: &[&str]| Cli::parse_from([&["roost"], arguments].concat()).config;
    let public = IpAddr::from([192, 0, 2, 1]);
    assert!(
        config(&[])
            .check_exposure(public)
            .unwrap_err()
            .contains("--allow-open")
    );
    assert!(config(&["--allow-open"]).check_exposure(public).is_ok());
    assert!(
        config(&[])
            .check_exposure(IpAddr::from([127, 0, 0, 1]))
            .is_ok()
    );
}
