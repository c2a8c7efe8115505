//! What definitions say, and what is wrong with them.

use super::*;

fn complaint(text: &str, format: Format) -> String {
    let error = Definition::parse(text, format).expect_err("a complaint");
    assert_eq!(error.data().expect("data")["reason"], ":invalid_config");
    error.message().to_owned()
}

#[test]
fn both_formats_say_the_same() {
    let json = r#"{"name": "s", "agents": [
        {"name": "a", "backend": "echo", "count": 3, "config": {"x": 1}},
        {"name": "b", "backend": "local", "command": "cat", "skills": ["x.md"]}
    ], "topology": [["a", "b"], {"from": "b", "to": "gateway"}]}"#;
    let toml = r#"
        name = "s"
        topology = [["a", "b"], {from = "b", to = "gateway"}]
        [[agents]]
        name = "a"
        backend = "echo"
        count = 3
        config = {x = 1}
        [[agents]]
        name = "b"
        backend = "local"
        command = "cat"
        skills = ["x.md"]
    "#;
    let read = Definition::parse(json, Format::Json).unwrap();
    assert_eq!(Definition::parse(toml, Format::Toml).unwrap(), read);
    let names: Vec<_> = read
        .agents
        .iter()
        .map(|agent| agent.name.as_str())
        .collect();
    assert_eq!(names, ["a", "a_1", "a_2", "b"]);
    assert_eq!(read.agents[2].group.as_deref(), Some("a"));
    let edges: Vec<_> = read.topology.edges().collect();
    assert_eq!(
        edges,
        [("a", "b"), ("b", "gateway"), ("a_1", "b"), ("a_2", "b")]
    );
    // What a command holds is nobody's business.
    assert_eq!(read.agents[3].shown().get("command"), None);
}

#[test]
fn what_is_wrong_is_told_by_line_and_field() {
    let json = "{\n\"name\": \"s\",\n\"agents\": [\n{\"name\": \"a\",\n\"backend\": \"magic\"},\n{\"name\": \"a\", \"backend\": \"echo\"}],\n\"topology\": [[\"a\", \"b\"],\n5]}";
    assert_eq!(
        complaint(json, Format::Json),
        "line 5: agents[0].backend: must be one of echo, local, external; \
         line 8: topology[1]: must be [from, to] or {from, to}; \
         line 7: topology[0]: there is no agent `b`"
    );
    let toml = "name = \"s\"\n[[agents]]\nname = \"a\"\nbackend = \"local\"\n\n[[agents]]\nname = 5\nbackend = \"echo\"\ncolour = 1\n";
    assert_eq!(
        complaint(toml, Format::Toml),
        "line 2: agents[0].command: is required where the backend is local; \
         line 9: agents[1].colour: is not known; known are name, backend, command, skills, model, \
         endpoint, presets, config, count; \
         line 7: agents[1].name: must be a text; \
         line 7: agents[1].name: must be a letter, then at most 63 letters, digits, _ or -"
    );
    let broken = complaint("{\n\"name\": }", Format::Json);
    assert_eq!(broken, "line 2: expected value, column 9");
    assert!(complaint("name = \"s\"\nagents = [", Format::Toml).starts_with("line 2: "));
}

#[test]
fn what_is_not_offered_is_told_as_such() {
    for (json, said) in [
        (
            r#"{"name": "s", "agents": [{"name": "a", "backend": "docker"}]}"#,
            "line 1: agents[0].backend: docker is not offered; use echo, local or external",
        ),
        (
            r#"{"name": "s", "agents": [{"name": "a", "backend": ["ssh", "host", {}]}]}"#,
            "line 1: agents[0].backend: ssh is not offered; use echo, local or external",
        ),
        (
            r#"{"name": "s", "agents": [], "objects": [{"name": "o"}]}"#,
            "line 1: objects: is not offered: their handlers are Elixir modules; make an agent instead",
        ),
    ] {
        let error = Definition::parse(json, Format::Json).expect_err("a complaint");
        assert_eq!(error.data().expect("data")["reason"], ":not_offered");
        assert_eq!(error.message(), said);
    }
}

#[test]
fn names_are_checked() {
    for (name, fits) in [
        ("a", true),
        ("A-_9", true),
        (&"a".repeat(64), true),
        (&"a".repeat(65), false),
        ("", false),
        ("9a", false),
        ("a b", false),
        ("ä", false),
        ("clean", false),
    ] {
        let read = Definition::read(&json!({"name": name, "agents": []}));
        assert_eq!(read.is_ok(), fits, "{name}");
    }
    for name in ["all", "gateway", "metrics", "tick"] {
        let agents = json!([{"name": name, "backend": "echo"}]);
        let read = Definition::read(&json!({"name": "s", "agents": agents}));
        assert!(
            read.expect_err("a complaint")
                .message()
                .contains("is taken")
        );
    }
    for value in [
        json!(null),
        json!([]),
        json!("s"),
        json!({}),
        json!({"name": 1}),
    ] {
        assert!(Definition::read(&value).is_err(), "{value}");
    }
}

#[test]
fn a_swarm_is_not_too_large() {
    let agents = json!([
        {"name": "a", "backend": "echo", "count": AGENTS},
        {"name": "b", "backend": "echo"},
    ]);
    let error = Definition::read(&json!({"name": "s", "agents": agents})).expect_err("a complaint");
    assert_eq!(
        error.message(),
        "agents[1]: a swarm has at most 1000 agents"
    );
}

#[test]
fn a_newcomer_brings_its_edges() {
    let value = json!({"name": "c", "backend": "echo", "connections": ["a"], "incoming": ["b"]});
    let (spec, topology) = newcomer(&value).unwrap();
    assert_eq!((spec.name.as_str(), spec.group), ("c", None));
    assert_eq!(
        topology.edges().collect::<Vec<_>>(),
        [("c", "a"), ("b", "c")]
    );
    assert!(newcomer(&json!({"name": "c", "backend": "echo", "connections": "a"})).is_err());
    assert!(newcomer(&json!({"name": "c"})).is_err());
}

#[test]
fn definitions_have_limits() {
    let agent = |count: usize, bytes: usize| {
        let skills = json!([{"name": "x", "content": "x".repeat(bytes)}]);
        json!({"name": "a", "backend": "echo", "count": count, "skills": skills})
    };
    let loops = |count: usize| vec![json!(["a", "a"]); count];
    for (agents, topology, expected) in [
        (json!([agent(1, 0)]), loops(10_000), ""),
        (
            json!([agent(1, 0)]),
            loops(10_001),
            "topology: a swarm has at most 10000 edges",
        ),
        (
            json!([agent(1, 1 << 20)]),
            vec![],
            "agents[0]: is larger than 1 MiB, its skills included",
        ),
        (
            json!([agent(20, 1_000_000)]),
            vec![],
            "agents[0]: agents are at most 16 MiB together, their skills included",
        ),
    ] {
        let definition = json!({"name": "s", "agents": agents, "topology": topology});
        let wrong = Definition::read(&definition).err();
        let message = wrong.as_ref().map_or("", Error::message);
        assert_eq!(message.split("; ").next(), Some(expected));
    }
    // Copies have the edges of whom they are copied from.
    let edges: Vec<_> = (1..=11).map(|n| json!(["a", format!("b{n}")])).collect();
    let others = (1..=11).map(|n| json!({"name": format!("b{n}"), "backend": "echo"}));
    let mut agents = vec![agent(950, 0)];
    agents.extend(others);
    let definition = json!({"name": "s", "agents": agents, "topology": edges});
    let wrong = Definition::read(&definition).expect_err("too many edges");
    assert_eq!(wrong.message(), "topology: a swarm has at most 10000 edges");
}

#[test]
fn what_is_wrong_is_told_a_hundred_times() {
    let agents = vec![json!({"name": 5}); 10_000];
    let wrong = Definition::read(&json!({"name": "s", "agents": agents})).expect_err("an error");
    let errors = &wrong.data().expect("data")["errors"];
    assert_eq!(errors.as_array().map(Vec::len), Some(100));
}
