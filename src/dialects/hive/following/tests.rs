//! A subscription that gives way loses nothing.

use serde_json::value::RawValue;
use uuid::Uuid;

use super::*;
use crate::core::{
    BoxFuture,
    clock::Timestamp,
    event::{Draft, Event},
    feed::Log,
    hub::Hub,
    scope::Audience,
    stamp::LogId,
    subscription::Overflow,
};

fn event(seq: i64) -> Arc<Event> {
    let data = RawValue::NULL.to_owned().into();
    Arc::new(Event {
        seq: Seq(seq),
        id: Uuid::nil(),
        at: Timestamp::from_millis(0).expect("a time"),
        draft: Draft::new("tests", "told", Audience::Everyone, data),
    })
}

/// A log of so many events.
struct Events(i64);

impl Log for Events {
    fn id(&self) -> LogId {
        LogId("log".into())
    }

    fn after(&self, seq: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<Arc<Event>>>> {
        let page = (seq.next().0..=self.0).take(limit).map(event).collect();
        Box::pin(async { Ok(page) })
    }
}

fn story(head: i64) -> feed::Story {
    feed::Story {
        log: Arc::new(Events(head)),
        hub: Arc::new(Hub::new(Seq(head))),
    }
}

fn following(story: Story) -> Following {
    Following {
        story,
        filter: Arc::default(),
        guest: Arc::default(),
    }
}

fn live(hub: &Hub, capacity: usize) -> Following {
    let all = |_: &Arc<Event>| true;
    let (_, live) = hub.subscribe_to(capacity, Overflow::CutOff, "tests", all);
    following(Story::Live(live))
}

/// What it gives up to where another begins.
async fn rest(following: &mut Following, limit: i64) -> (Vec<i64>, Result<(), Close>) {
    let mut seqs = Vec::new();
    loop {
        match following.next(Some(Seq(limit))).await {
            Ok(Given::Item(Item::Event(event))) => seqs.push(event.seq.0),
            Ok(Given::Item(Item::Reset(_))) => panic!("a reset"),
            Ok(Given::All) => return (seqs, Ok(())),
            Err(close) => return (seqs, Err(close)),
        }
    }
}

#[tokio::test]
async fn the_log_is_told_up_to_where_another_begins() {
    let (story, after) = Story::since(story(1_200), &Since::Start)
        .await
        .expect("a log");
    assert_eq!(after, Seq(1_200));
    let mut old = following(story);
    assert_eq!(rest(&mut old, 1_100).await, ((1..=1_100).collect(), Ok(())));
}

#[tokio::test]
async fn what_waits_is_told_up_to_where_another_begins() {
    let hub = Hub::new(Seq(0));
    let mut old = live(&hub, 10);
    hub.publish(&[event(1), event(2), event(3)]);
    assert_eq!(rest(&mut old, 2).await, (vec![1, 2], Ok(())));
    let mut quiet = live(&hub, 10);
    assert_eq!(rest(&mut quiet, 3).await, (vec![], Ok(())));
}

#[tokio::test]
async fn who_lost_an_event_is_told_so_whatever_it_subscribes_to_next() {
    let hub = Hub::new(Seq(0));
    for limit in [2, 4] {
        let mut old = live(&hub, 2);
        let first = hub.head().0 + 1;
        let events: Vec<_> = (first..first + 4).map(event).collect();
        hub.publish(&events);
        let waited = vec![first, first + 1];
        let (seqs, end) = rest(&mut old, first + limit).await;
        assert_eq!((seqs, end), (waited, Err(TOO_SLOW)));
    }
}

#[tokio::test]
async fn nothing_lies_between_two_subscriptions() {
    /// A log that is written to while its start is looked for.
    struct Busy(Arc<Hub>);

    impl Log for Busy {
        fn id(&self) -> LogId {
            LogId("log".into())
        }

        fn after(&self, _: Seq, _: usize) -> BoxFuture<'_, Result<Vec<Arc<Event>>>> {
            let seq = self.0.head().next().0;
            self.0.publish(&[event(seq)]);
            Box::pin(async { Ok(Vec::new()) })
        }
    }

    let hub = Arc::new(Hub::new(Seq(0)));
    let log = Arc::new(Busy(Arc::clone(&hub)));
    let mut old = live(&hub, 10);
    let story = feed::Story { log, hub };
    let (new, after) = Story::since(story.clone(), &Since::Start)
        .await
        .expect("a log");
    story.hub.publish(&[event(2)]);
    assert_eq!(rest(&mut old, after.0).await, (vec![1], Ok(())));
    let given = following(new).next(None).await;
    assert!(
        matches!(&given, Ok(Given::Item(Item::Event(event))) if event.seq == Seq(2)),
        "{given:?}"
    );
}
