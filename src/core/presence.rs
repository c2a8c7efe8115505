//! Who is where: keys that are present in places, each with one meta a connection.
//!
//! A key is present as long as anybody tracks it: two connections of one person are two metas, and
//! the person leaves with the last. Changes of all places have one order; watchers are told of each
//! before the next happens, and a look at a place falls between two of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Record, clock::SharedClock};

/// What one connection says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Which version of which meta this is: unique, never used again.
    pub reference: Arc<str>,
    /// The reference of the version that this one replaced.
    pub previous: Option<Arc<str>>,
    /// What was said.
    pub data: Record,
}

/// Keys and their metas, the oldest first.
pub type Present = BTreeMap<String, Vec<Arc<Meta>>>;

/// How a place changed; a changed meta left in its old version and joined in its new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// What is new.
    pub joins: Present,
    /// What is gone.
    pub leaves: Present,
}

/// Is told of every change, in order; must not block, nor call back.
pub trait Watcher: Send + Sync {
    /// Tells how a place changed.
    fn changed(&self, place: &str, diff: &Diff);
}

/// The node's presence. Cheap to clone.
#[derive(Clone)]
pub struct Presence(Arc<Shared>);

struct Shared {
    clock: SharedClock,
    stays: AtomicU64,
    /// Guards the order: whoever changes or looks holds it.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    places: HashMap<Arc<str>, BTreeMap<String, Vec<Tracked>>>,
    watchers: Vec<Arc<dyn Watcher>>,
}

struct Tracked {
    stay: u64,
    meta: Arc<Meta>,
}

impl Presence {
    /// Nobody is anywhere.
    pub fn new(clock: SharedClock) -> Self {
        Self(Arc::new(Shared {
            clock,
            stays: AtomicU64::new(0),
            state: Mutex::default(),
        }))
    }

    /// Adds a watcher.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.0.lock().watchers.push(watcher);
    }

    /// One connection's stay at a place; it tracks nobody yet.
    pub fn enter(&self, place: impl Into<Arc<str>>) -> Stay {
        Stay {
            presence: Arc::clone(&self.0),
            place: place.into(),
            id: self.0.stays.fetch_add(1, Ordering::Relaxed),
            keys: Vec::new(),
        }
    }

    /// Shows who is at a place, while nothing changes.
    pub fn look<R>(&self, place: &str, look: impl FnOnce(&Present) -> R) -> R {
        let state = self.0.lock();
        look(&state.present(place))
    }

    /// What was said last of a key at a place.
    pub fn newest(&self, place: &str, key: &str) -> Option<Arc<Meta>> {
        let state = self.0.lock();
        let tracked = state.places.get(place)?.get(key)?.last()?;
        Some(Arc::clone(&tracked.meta))
    }

    /// Where anybody is, in no order.
    pub fn places(&self) -> Vec<Arc<str>> {
        self.0.lock().places.keys().cloned().collect()
    }

    /// Whether a key is present at a place.
    pub fn is_present(&self, place: &str, key: &str) -> bool {
        let state = self.0.lock();
        state
            .places
            .get(place)
            .is_some_and(|keys| keys.contains_key(key))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meta(&self, previous: Option<&Arc<Meta>>, data: Record) -> Arc<Meta> {
        Arc::new(Meta {
            reference: self.clock.random_id().simple().to_string().into(),
            previous: previous.map(|meta| Arc::clone(&meta.reference)),
            data,
        })
    }
}

impl State {
    fn present(&self, place: &str) -> Present {
        let metas = |tracked: &Vec<Tracked>| {
            tracked
                .iter()
                .map(|tracked| Arc::clone(&tracked.meta))
                .collect()
        };
        let keys = self.places.get(place).into_iter().flatten();
        keys.map(|(key, tracked)| (key.clone(), metas(tracked)))
            .collect()
    }

    fn meta(&self, place: &str, key: &str, stay: u64) -> Option<&Arc<Meta>> {
        let tracked = self.places.get(place)?.get(key)?;
        tracked
            .iter()
            .find(|tracked| tracked.stay == stay)
            .map(|tracked| &tracked.meta)
    }

    fn add(&mut self, place: &Arc<str>, key: &str, tracked: Tracked) {
        let keys = self.places.entry(Arc::clone(place)).or_default();
        keys.entry(key.to_owned()).or_default().push(tracked);
    }

    fn remove(&mut self, place: &str, key: &str, stay: u64) -> Option<Arc<Meta>> {
        let keys = self.places.get_mut(place)?;
        let tracked = keys.get_mut(key)?;
        let index = tracked.iter().position(|tracked| tracked.stay == stay)?;
        let removed = tracked.remove(index);
        if tracked.is_empty() {
            keys.remove(key);
        }
        if keys.is_empty() {
            self.places.remove(place);
        }
        Some(removed.meta)
    }

    fn tell(&self, place: &str, diff: &Diff) {
        for watcher in &self.watchers {
            watcher.changed(place, diff);
        }
    }
}

/// One connection at one place. Dropping it untracks all that it tracked.
pub struct Stay {
    presence: Arc<Shared>,
    place: Arc<str>,
    id: u64,
    keys: Vec<String>,
}

impl Stay {
    /// Tracks a key here, or replaces what this connection said of it.
    pub fn track(&mut self, key: &str, data: Record) {
        let mut state = self.presence.lock();
        let left = state.remove(&self.place, key, self.id);
        let meta = self.presence.meta(left.as_ref(), data);
        let tracked = Tracked {
            stay: self.id,
            meta: Arc::clone(&meta),
        };
        state.add(&self.place, key, tracked);
        if left.is_none() {
            self.keys.push(key.to_owned());
        }
        let one = |meta: Arc<Meta>| Present::from([(key.to_owned(), vec![meta])]);
        let diff = Diff {
            joins: one(meta),
            leaves: left.map(one).unwrap_or_default(),
        };
        state.tell(&self.place, &diff);
    }

    /// What this connection says of a key, if it tracks it.
    pub fn tracked(&self, key: &str) -> Option<Record> {
        let state = self.presence.lock();
        let meta = state.meta(&self.place, key, self.id)?;
        Some(meta.data.clone())
    }

    /// Untracks a key.
    pub fn untrack(&mut self, key: &str) {
        self.keys.retain(|tracked| tracked != key);
        self.remove(&[key.to_owned()]);
    }

    /// Shows who is here, while nothing changes.
    pub fn look<R>(&self, look: impl FnOnce(&Present) -> R) -> R {
        let state = self.presence.lock();
        look(&state.present(&self.place))
    }

    fn remove(&self, keys: &[String]) {
        let mut state = self.presence.lock();
        let mut leaves = Present::new();
        for key in keys {
            if let Some(meta) = state.remove(&self.place, key, self.id) {
                leaves.insert(key.clone(), vec![meta]);
            }
        }
        if !leaves.is_empty() {
            let joins = Present::new();
            state.tell(&self.place, &Diff { joins, leaves });
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if !self.keys.is_empty() {
            let keys = std::mem::take(&mut self.keys);
            self.remove(&keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::clock::SystemClock;

    #[derive(Default)]
    struct Heard(Mutex<Vec<Diff>>);

    impl Watcher for Heard {
        fn changed(&self, _: &str, diff: &Diff) {
            self.0.lock().unwrap().push(diff.clone());
        }
    }

    fn said(device: &str) -> Record {
        json!({"device": device}).as_object().cloned().unwrap()
    }

    #[test]
    fn a_key_stays_until_its_last_connection_leaves() {
        let presence = Presence::new(Arc::new(SystemClock));
        let heard = Arc::<Heard>::default();
        presence.watch(Arc::<Heard>::clone(&heard));
        let (mut one, mut two) = (presence.enter("hall"), presence.enter("hall"));
        one.track("ann", said("laptop"));
        two.track("ann", said("phone"));
        presence.look("hall", |present| assert_eq!(present["ann"].len(), 2));
        let newest = presence.newest("hall", "ann").unwrap();
        assert_eq!(
            (newest.data.clone(), presence.places().len()),
            (said("phone"), 1)
        );
        drop(one);
        assert!(presence.is_present("hall", "ann"));
        two.untrack("ann");
        assert!(!presence.is_present("hall", "ann"));
        let sizes: Vec<_> = heard.0.lock().unwrap().iter().map(size).collect();
        assert_eq!(sizes, [(1, 0), (1, 0), (0, 1), (0, 1)]);
    }

    fn size(diff: &Diff) -> (usize, usize) {
        (diff.joins.len(), diff.leaves.len())
    }

    #[test]
    fn a_changed_meta_leaves_and_joins_in_one_diff() {
        let presence = Presence::new(Arc::new(SystemClock));
        let heard = Arc::<Heard>::default();
        presence.watch(Arc::<Heard>::clone(&heard));
        let mut stay = presence.enter("hall");
        stay.track("ann", said("laptop"));
        stay.track("ann", said("phone"));
        assert_eq!(stay.tracked("ann"), Some(said("phone")));
        let diff = heard.0.lock().unwrap().pop().unwrap();
        let (joined, left) = (&diff.joins["ann"][0], &diff.leaves["ann"][0]);
        assert_eq!(joined.previous.as_ref(), Some(&left.reference));
        assert_eq!(left.data, said("laptop"));
    }
}
