//! What outputs say to others, and where it goes.

use super::*;

fn said(output: &str) -> (String, Vec<(String, String)>) {
    let Spoken { content, messages } = understand(output);
    let pair = |message: Outgoing| (message.to, message.content);
    (content, messages.into_iter().map(pair).collect())
}

#[test]
fn an_output_is_understood() {
    let long = format!("@{}: hi", "a".repeat(65));
    for (output, content, messages) in [
        ("", "", vec![]),
        ("hello", "hello", vec![]),
        ("@b: hello", "@b: hello", vec![("b", "hello")]),
        (
            " @b : x\ntext\n@all:y",
            " @b : x\ntext\n@all:y",
            vec![("b", "x"), ("all", "y")],
        ),
        ("@b:", "@b:", vec![]),
        ("@1b: x", "@1b: x", vec![]),
        ("mail a@b: x", "mail a@b: x", vec![]),
        ("@b c: x", "@b c: x", vec![]),
        (&long, &long, vec![]),
        ("@b: @c: x", "@b: @c: x", vec![("b", "@c: x")]),
        (
            "one\n<<SWARM_MSG:TO=b:START>>\ntwo\n@c: three\n<<SWARM_MSG:END>>\nfour",
            "one\n\nfour",
            vec![("b", "two\n@c: three")],
        ),
        (
            "<<SWARM_MSG:BROADCAST:START>>x<<SWARM_MSG:END>>",
            "",
            vec![("all", "x")],
        ),
        (
            "@a: 1\n<<SWARM_MSG:TO=b:START>>2<<SWARM_MSG:END>>\n@c: 3",
            "@a: 1\n\n@c: 3",
            vec![("a", "1"), ("b", "2"), ("c", "3")],
        ),
        // What is broken is text.
        (
            "<<SWARM_MSG:TO=b:START>>x",
            "<<SWARM_MSG:TO=b:START>>x",
            vec![],
        ),
        (
            "<<SWARM_MSG:NO:START>><<SWARM_MSG:TO=b:START>>x<<SWARM_MSG:END>>",
            "<<SWARM_MSG:NO:START>>",
            vec![("b", "x")],
        ),
        (
            "<<SWARM_MSG:TO=b c:START>>x<<SWARM_MSG:END>>",
            "<<SWARM_MSG:TO=b c:START>>x<<SWARM_MSG:END>>",
            vec![],
        ),
    ] {
        let messages = messages
            .into_iter()
            .map(|(to, text)| (to.to_owned(), text.to_owned()));
        assert_eq!(
            said(output),
            (content.to_owned(), messages.collect()),
            "{output}"
        );
    }
}

#[test]
fn an_output_is_understood_whatever_its_marks_are() {
    // Each looked for an end in all that follows, this would take minutes.
    for mark in ["<<SWARM_MSG:", "<<SWARM_MSG:TO=b:START>>"] {
        let output = mark.repeat(200_000);
        assert_eq!(said(&output), (output.clone(), vec![]), "{mark}");
    }
    let output = format!("{}@b: x", "<<SWARM_MSG:END>>".repeat(200_000));
    assert_eq!(said(&output).1, vec![]);
}

#[test]
fn a_turn_sends_what_can_be_borne() {
    let mut topology = Topology::default();
    for n in 0..100 {
        topology.add("a", &format!("b_{n}"));
    }
    let message = |to: &str, bytes: usize| Outgoing {
        to: to.to_owned(),
        content: "x".repeat(bytes),
    };
    for (to, bytes, count, sent) in [
        ("b_1", 1, 999, 999),
        ("b_1", 1, 1_001, 1_000),
        ("nobody", 1, 1_001, 1_000),
        ("all", 1, 11, 10),
        ("b_1", 1 << 20, 17, 16),
        ("all", 1 << 20, 1, 0),
    ] {
        let messages = vec![message(to, bytes); count];
        assert_eq!(topology.bearable("a", &messages), sent, "{count} to {to}");
    }
    let nobody_hears = vec![message("all", 1); 1_001];
    assert_eq!(topology.bearable("b_1", &nobody_hears), 1_000);
}

#[test]
fn messages_follow_edges() {
    let mut topology = Topology::default();
    assert!(topology.add("a", "b") && !topology.add("a", "b"));
    assert!(topology.add("a", "gateway"));
    for (from, to, is_there, expected) in [
        ("a", "b", true, Route::Deliver),
        ("b", "a", true, Route::Invalid),
        ("a", "a", true, Route::Invalid),
        ("user", "a", true, Route::Invalid),
        ("a", "c", false, Route::Missing),
        ("a", "b", false, Route::Missing),
        ("a", "gateway", false, Route::Drop),
        ("b", "metrics", false, Route::Drop),
        ("b", "tick", false, Route::Drop),
    ] {
        assert_eq!(
            route(&topology, from, to, is_there),
            expected,
            "{from} to {to}"
        );
    }
    assert_eq!(
        topology.shown(),
        json!([{"from": "a", "targets": ["b", "gateway"]}])
    );
}

#[test]
fn edges_come_and_go_with_agents() {
    let mut topology = Topology::default();
    for (from, to) in [("a", "b"), ("b", "c"), ("b", "b"), ("c", "a")] {
        topology.add(from, to);
    }
    let copies = topology.copied("b", "b_1");
    assert_eq!(topology.extend(copies.clone()), 3);
    assert_eq!(topology.extend(copies), 0);
    let all: Vec<_> = topology.edges().collect();
    let copied = [("a", "b_1"), ("b_1", "c"), ("b_1", "b_1")];
    assert_eq!(all[4..], copied);
    topology.forget("b");
    assert_eq!(
        topology.edges().collect::<Vec<_>>(),
        [&[("c", "a")], &copied[..]].concat()
    );
    let gone = [("c".to_owned(), "a".to_owned())];
    assert_eq!([1, 0], [0; 2].map(|_| topology.remove(&gone)));
    let pairs = serde_json::to_value(&topology).unwrap();
    assert_eq!(pairs, json!([["a", "b_1"], ["b_1", "c"], ["b_1", "b_1"]]));
}
