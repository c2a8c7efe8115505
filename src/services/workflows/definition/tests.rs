//! What may be a workflow, and what may not.

use super::*;

fn problems(data: &Value) -> Vec<String> {
    let (_, problems) = Definition::examine(data).expect("a definition that is not too large");
    let told = problems.list().into_iter();
    told.map(|problem| {
        format!(
            "{} {}",
            problem["loc"],
            problem["msg"].as_str().unwrap_or_default()
        )
    })
    .collect()
}

fn step(name: &str, more: &Value) -> Value {
    let mut step = json!({"name": name, "step_type": "task"});
    let step = step.as_object_mut().expect("an object");
    step.extend(more.as_object().cloned().unwrap_or_default());
    json!(step)
}

#[test]
fn a_definition_has_defaults() {
    let data = json!({"name": "w", "steps": [
        step("a", &json!({})),
        step("b", &json!({"depends_on_steps": ["a"], "config": {"description": "Do b"}})),
    ]});
    let read = Definition::read(&data).expect("a definition");
    assert_eq!(
        (read.timeout_seconds, read.max_retries, read.is_active),
        (3_600, 3, true)
    );
    assert_eq!(read.steps[0].prompt(), "a");
    assert_eq!(read.steps[1].prompt(), "Do b");
    assert_eq!(read.steps[1].step_order, 2);
}

#[test]
fn groups_hold_steps_and_a_sequence_has_an_order() {
    let inner = [
        step("second", &json!({"step_order": 2})),
        step("first", &json!({"step_order": 1})),
    ];
    let data = json!({"name": "w", "steps": [
        {"name": "group", "step_type": "sequential", "config": {"steps": inner}},
        step("after", &json!({"depends_on_steps": ["group"]})),
    ]});
    let read = Definition::read(&data).expect("a definition");
    let shown: Vec<_> = read
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.parent, step.depends_on_steps.len()))
        .collect();
    let expected = [
        ("group", None, 0),
        ("second", Some(0), 1),
        ("first", Some(0), 0),
        ("after", None, 1),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn what_cannot_be_is_told_with_its_place() {
    for (data, expected) in [
        (json!({}), r#"["name"] Field required"#),
        (
            json!({"name": 7}),
            r#"["name"] Input should be a valid string"#,
        ),
        (
            json!({"name": "w", "steps": {}}),
            r#"["steps"] Input should be a list"#,
        ),
        (
            json!({"name": "w", "steps": [1]}),
            r#"["steps",0] Input should be an object"#,
        ),
        (
            json!({"name": "w", "steps": [{"name": "a", "step_type": "loop"}]}),
            r#"["steps",0,"step_type"] Input should be"#,
        ),
        (
            json!({"name": "w", "steps": [step("a", &json!({"step_order": 0}))]}),
            r#"["steps",0,"step_order"] Input should be a whole number from 1"#,
        ),
        (
            json!({"name": "w", "steps": [step("a", &json!({})), step("a", &json!({}))]}),
            r#"["steps",1,"name"] There are two steps 'a'"#,
        ),
        (
            json!({"name": "w", "steps": [step("a", &json!({"depends_on_steps": ["b"]}))]}),
            r#"["steps",0,"depends_on_steps"] There is no step 'b'"#,
        ),
        (
            json!({"name": "w", "steps": [
                step("a", &json!({"depends_on_steps": ["b"]})),
                step("b", &json!({"depends_on_steps": ["a"]})),
            ]}),
            r#"["steps"] Steps wait for each other: a, b"#,
        ),
        (
            json!({"name": "w", "steps": [step("a", &json!({"depends_on_steps": ["a"]}))]}),
            r#"["steps"] Steps wait for each other: a"#,
        ),
        (
            json!({"name": "w", "steps": [step("a", &json!({"condition_expression": "os.system("}))]}),
            r#"["steps",0,"condition_expression"] The expression cannot be read"#,
        ),
        (
            json!({"name": "w\u{0}", "timeout_seconds": 0}),
            r#"["name"] String should not hold the character NUL"#,
        ),
    ] {
        let told = problems(&data);
        let found = told.iter().any(|problem| problem.starts_with(expected));
        assert!(found, "{data}: {told:?}");
    }
}

#[test]
fn there_are_limits() {
    let steps: Vec<_> = (0..=STEPS)
        .map(|n| step(&format!("s{n}"), &json!({})))
        .collect();
    assert!(!problems(&json!({"name": "w", "steps": steps})).is_empty());
    let mut deep = json!([step("leaf", &json!({}))]);
    for n in 0..DEEPEST {
        deep =
            json!([{"name": format!("g{n}"), "step_type": "parallel", "config": {"steps": deep}}]);
    }
    assert!(!problems(&json!({"name": "w", "steps": deep})).is_empty());
    let huge = json!({"name": "w", "config": {"text": "x".repeat(BYTES)}});
    assert!(Definition::examine(&huge).is_err());
}

#[test]
fn a_step_may_be_named_by_its_id() {
    let data = json!({"name": "w", "steps": [
        step("a", &json!({"id": "id-of-a"})),
        step("b", &json!({"depends_on_steps": ["id-of-a", "a"]})),
    ]});
    let read = Definition::read(&data).expect("a definition");
    assert_eq!(read.steps[1].depends_on_steps, ["a"]);
}
