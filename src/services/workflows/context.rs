//! What steps are told: variables, and what other steps gave.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::expression;

/// Bytes of a prompt whose variables are filled in.
pub(super) const LONGEST: usize = 1 << 20;

/// Characters of a name that are told.
const SHOWN: usize = 200;

/// What an execution knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    pub(super) variables: Map<String, Value>,
    /// What steps gave, by name: `{output, …}`.
    pub(super) outputs: HashMap<String, Value>,
}

impl Context {
    /// The value at a path: a variable and what is in it, or `steps`, a step's name, `output` and more.
    pub(super) fn value(&self, path: &[String]) -> Option<Value> {
        let (first, rest) = path.split_first()?;
        let (start, rest) = match rest.split_first() {
            Some((step, rest)) if first == "steps" => (self.outputs.get(step)?, rest),
            _ => (self.variables.get(first)?, rest),
        };
        let inner = rest.iter().try_fold(start, |at, key| match at {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            at => at.get(key),
        });
        inner.cloned()
    }

    /// The value of a name in a text. Names of steps and variables may hold anything but braces.
    fn named(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.value(&expression::path(name)) {
            return Some(value);
        }
        if let Some(value) = self.variables.get(name) {
            return Some(value.clone());
        }
        let behind = name.strip_prefix("steps.")?;
        let mut fitting: Vec<_> = self.outputs.keys().collect();
        fitting.sort_by_key(|step| std::cmp::Reverse(step.len()));
        fitting.into_iter().find_map(|step| {
            let rest = behind.strip_prefix(step.as_str())?.strip_prefix('.')?;
            let mut path = vec!["steps".to_owned(), step.clone()];
            path.extend(rest.split('.').map(str::to_owned));
            self.value(&path)
        })
    }

    /// A text in which each `{{name}}` is replaced by its value: texts as they are, nothing for null, else JSON.
    ///
    /// # Errors
    /// Why that cannot be done.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            let Some((name, behind)) = behind.split_once("}}") else {
                break;
            };
            filled.push_str(before);
            let name = name.trim();
            match self.named(name) {
                Some(Value::String(text)) => filled.push_str(&text),
                Some(Value::Null) => {}
                Some(value) => filled.push_str(&value.to_string()),
                None => {
                    let name: String = name.chars().take(SHOWN).collect();
                    return Err(format!("There is no variable '{name}'"));
                }
            }
            if filled.len() > LONGEST {
                return Err(format!("The prompt has more than {LONGEST} bytes"));
            }
            rest = behind;
        }
        filled.push_str(rest);
        if filled.len() > LONGEST {
            return Err(format!("The prompt has more than {LONGEST} bytes"));
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_replaced_by_values() {
        let context = Context {
            variables: json!({"who": "ann", "n": 3, "none": null, "deep": {"list": [1, "two"]}})
                .as_object()
                .cloned()
                .unwrap_or_default(),
            outputs: HashMap::from([
                ("plan".to_owned(), json!({"output": "a plan"})),
                ("A step, 1.5".to_owned(), json!({"output": {"x": true}})),
            ]),
        };
        for (text, expected) in [
            ("Hello {{who}}{{ none }}!", Ok("Hello ann!")),
            (
                "{{n}} {{deep.list}} {{deep.list.1}}",
                Ok("3 [1,\"two\"] two"),
            ),
            (
                "{{steps.plan.output}}: {{steps.A step, 1.5.output.x}}",
                Ok("a plan: true"),
            ),
            ("{{steps[\"A step, 1.5\"].output}}", Ok("{\"x\":true}")),
            ("no {{ end and } this", Ok("no {{ end and } this")),
            ("{{who", Ok("{{who")),
            ("{{nobody}}", Err("There is no variable 'nobody'")),
            (
                "{{steps.plan}}{{steps.other.output}}",
                Err("There is no variable 'steps.other.output'"),
            ),
        ] {
            let filled = context.fill(text);
            assert_eq!(
                filled.as_deref().map_err(String::as_str),
                expected,
                "{text}"
            );
        }
        let many = Context {
            variables: json!({"x": "x".repeat(600_000)})
                .as_object()
                .cloned()
                .unwrap_or_default(),
            outputs: HashMap::new(),
        };
        assert!(many.fill("{{x}}{{x}}").is_err());
    }
}
