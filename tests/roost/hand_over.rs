//! From replay to live: whatever the interleaving, a listener gets each event once, in order.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use proptest::prelude::*;
use roost::core::{
    BoxFuture,
    clock::{Clock, SystemClock},
    event::{Draft, Event},
    feed::{Feed, Item, Log, Story},
    hub::Hub,
    scope::Audience,
    stamp::{LogId, Seq, Since},
};
use serde_json::value::RawValue;

/// A log in memory.
#[derive(Default)]
struct Memory(Mutex<Vec<Arc<Event>>>);

impl Log for Memory {
    fn id(&self) -> LogId {
        LogId("memory".into())
    }

    fn after(
        &self,
        seq: Seq,
        limit: usize,
    ) -> BoxFuture<'_, roost::error::Result<Vec<Arc<Event>>>> {
        let events = self.0.lock().expect("the log");
        let page = events
            .iter()
            .filter(|event| event.seq > seq)
            .take(limit)
            .cloned()
            .collect();
        Box::pin(std::future::ready(Ok(page)))
    }
}

fn event(seq: i64, bytes: usize) -> Arc<Event> {
    let data = RawValue::from_string(format!("\"{}\"", "x".repeat(bytes))).expect("JSON");
    let draft = Draft::new("messages", "created", Audience::Everyone, data.into());
    Arc::new(Event {
        seq: Seq(seq),
        id: SystemClock.ordered_id(),
        at: SystemClock.now(),
        draft,
    })
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// Rows are committed.
    Commit(usize),
    /// What is committed is published.
    Publish,
    /// The listener takes some.
    Take(usize),
    /// The listener goes away and comes back with its last stamp.
    Return,
    /// The oldest rows are pruned.
    Prune(usize),
}

fn steps(pruning: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_usize..900).prop_map(Step::Commit),
        4 => Just(Step::Publish),
        6 => (1_usize..1_500).prop_map(Step::Take),
        1 => Just(Step::Return),
        u32::from(pruning) => (1_usize..2_000).prop_map(Step::Prune),
    ];
    prop::collection::vec(step, 1..60)
}

struct World {
    log: Arc<Memory>,
    story: Story,
    committed: i64,
    published: i64,
    bytes: usize,
}

impl World {
    fn new(bytes: usize) -> Self {
        let log = Arc::<Memory>::default();
        let story = Story {
            log: log.clone(),
            hub: Arc::new(Hub::new(Seq(0))),
        };
        Self {
            log,
            story,
            committed: 0,
            published: 0,
            bytes,
        }
    }

    fn commit(&mut self, count: usize) {
        let mut events = self.log.0.lock().expect("the log");
        for _ in 0..count {
            self.committed += 1;
            events.push(event(self.committed, self.bytes));
        }
    }

    fn publish(&mut self) {
        let events = self.log.0.lock().expect("the log");
        let fresh: Vec<_> = events
            .iter()
            .filter(|event| event.seq.0 > self.published)
            .cloned()
            .collect();
        drop(events);
        self.published = self.committed;
        self.story.hub.publish(&fresh);
    }

    /// Rows that are published may go; the newest never does.
    fn prune(&self, count: usize) {
        let mut events = self.log.0.lock().expect("the log");
        let old = events
            .iter()
            .take_while(|event| event.seq.0 < self.published)
            .count();
        events.drain(..count.min(old));
    }

    fn open(&self, after: i64) -> Feed {
        let since = Since::After(self.log.id(), Seq(after));
        let feed = Feed::open(self.story.clone(), &since, "test").now_or_never();
        feed.expect("a log in memory").expect("a readable log")
    }
}

/// Runs the steps; what the listener got, in order.
fn run(steps: &[Step], bytes: usize) -> (Vec<Item>, World) {
    let mut world = World::new(bytes);
    let mut feed = world.open(0);
    let mut got = Vec::new();
    let last = |got: &[Item]| match got.last() {
        Some(Item::Event(event)) => event.seq.0,
        Some(Item::Reset(reset)) => reset.latest.0,
        None => 0,
    };
    for step in steps {
        match step {
            Step::Commit(count) => world.commit(*count),
            Step::Publish => world.publish(),
            Step::Prune(count) => world.prune(*count),
            Step::Return if last(&got) <= world.published => feed = world.open(last(&got)),
            Step::Return => {}
            Step::Take(count) => {
                for _ in 0..*count {
                    let Some(item) = feed.next().now_or_never() else {
                        break;
                    };
                    got.push(item.expect("a readable log"));
                }
            }
        }
    }
    world.publish();
    while let Some(item) = feed.next().now_or_never() {
        got.push(item.expect("a readable log"));
    }
    (got, world)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_event_once_and_in_order(steps in steps(false), bytes in prop_oneof![Just(10_usize), Just(20_000)]) {
        let bytes = if steps.len() > 20 { 10 } else { bytes };
        let (got, world) = run(&steps, bytes);
        let seqs: Vec<i64> = got.iter().map(|item| match item {
            Item::Event(event) => event.seq.0,
            Item::Reset(reset) => panic!("reset {reset:?} although nothing was pruned"),
        }).collect();
        prop_assert_eq!(seqs, (1..=world.committed).collect::<Vec<_>>());
    }

    #[test]
    fn a_gap_is_always_told(steps in steps(true)) {
        let (got, world) = run(&steps, 10);
        let mut place = 0;
        for item in &got {
            match item {
                Item::Event(event) => {
                    prop_assert_eq!(event.seq.0, place + 1);
                    place = event.seq.0;
                }
                Item::Reset(reset) => {
                    prop_assert!(reset.latest.0 >= place);
                    place = reset.latest.0;
                }
            }
        }
        prop_assert_eq!(place, world.committed);
    }
}

#[test]
fn a_stamp_of_another_log_or_of_the_future_is_reset() {
    let mut world = World::new(10);
    world.commit(3);
    world.publish();
    for since in [
        Since::After(LogId("other".into()), Seq(1)),
        Since::After(LogId("memory".into()), Seq(4)),
    ] {
        let mut feed = Feed::open(world.story.clone(), &since, "test")
            .now_or_never()
            .expect("no wait")
            .expect("a feed");
        let Item::Reset(reset) = feed.take().expect("an item") else {
            panic!("no reset")
        };
        assert_eq!(
            (reset.reason, reset.oldest, reset.latest),
            ("other_log", Seq(1), Seq(3))
        );
    }
}

#[test]
fn a_lossy_feed_keeps_the_newest() {
    let mut world = World::new(10);
    let mut feed = Feed::lossy(world.story.clone(), 100, "test", |_| true);
    world.commit(250);
    world.publish();
    let got: Vec<i64> = std::iter::from_fn(|| feed.take())
        .map(|item| match item {
            Item::Event(event) => event.seq.0,
            Item::Reset(reset) => panic!("{reset:?}"),
        })
        .collect();
    assert_eq!(got, (151..=250).collect::<Vec<_>>());
}

#[test]
fn nobody_reads_ahead_of_what_is_published() {
    // The feed overflows, reads on from the log, and finds rows there that are committed only.
    let steps = [
        Step::Commit(1_500),
        Step::Publish,
        Step::Commit(10),
        Step::Take(3_000),
        Step::Publish,
    ];
    let (got, world) = run(&steps, 10);
    assert_eq!(
        got.len(),
        usize::try_from(world.committed).expect("a count")
    );
}
