//! What conditions say, and what is none.

use serde_json::json;

use super::*;

fn holds(text: &str) -> Result<bool, String> {
    let all = json!({
        "n": 3, "name": "ann", "fast": true, "none": null, "list": ["a", 1], "empty": "",
        "steps": {"check": {"output": "yes", "ok": true}, "A step": {"output": {"deep": 7}}},
    });
    let value = |path: &[String]| path.iter().try_fold(&all, |at, key| at.get(key)).cloned();
    Expression::parse(text)?.holds(&value)
}

#[test]
fn conditions_say_whether_they_hold() {
    for (text, expected) in [
        ("true", true),
        ("${fast}", true),
        ("${missing}", false),
        ("yes", true),
        ("1", true),
        ("0", false),
        ("empty", false),
        ("not none", true),
        ("n == 3 and name == 'ann'", true),
        ("n == 3.0", true),
        ("n != 3 or name < \"bob\"", true),
        ("n >= 4 || !(fast && n > 2)", false),
        ("not n > 2", false),
        ("steps.check.output == \"yes\"", true),
        ("steps[\"A step\"].output.deep <= 7", true),
        ("'a' in list and not (2 in list)", true),
        ("'nn' in name", true),
        ("-1 < 0", true),
        ("(((n == 3)))", true),
        ("\"a\\\"b\" == 'a\"b'", true),
    ] {
        assert_eq!(holds(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_condition_is_told() {
    for text in [
        "",
        "n ==",
        "(n",
        "n)",
        "n == == 3",
        "import os;",
        "f(1)",
        "n + 1",
        "'open",
        "1x",
        "a..b",
        "${open",
        "list[0]",
        "and",
        "🦀",
    ] {
        assert!(Expression::parse(text).is_err(), "{text}");
    }
    assert!(holds("name > 3").is_err());
    assert!(holds("3 in n").is_err());
    let deep = format!("{}1{}", "(".repeat(500), ")".repeat(500));
    assert!(Expression::parse(&deep).is_err());
    let deep = format!("{}1", "not ".repeat(500));
    assert!(Expression::parse(&deep).is_err());
    assert!(Expression::parse(&"x".repeat(5_000)).is_err());
}
