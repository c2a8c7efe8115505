//! How much callers may do: so many at once, and so many a second from then on.

use std::{hash::Hash, net::IpAddr, num::NonZeroU32, sync::Arc};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};
use serde_json::json;

use crate::{
    core::{call::Caller, identity::Identity, login::Login},
    error::{Error, Result},
};

/// Keys that are remembered although they may be at rest by now.
const REMEMBERED: usize = 10_000;

/// Seconds' worth of calls that may come at once: a client that starts asks for everything.
const BURST: u32 = 10;

/// Connections that one user may keep busy.
const BUSY: u32 = 4;

/// Counts what each key does.
pub struct Limiter<K: Clone + Eq + Hash> {
    limiter: DefaultKeyedRateLimiter<K>,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    /// A limiter with the same quota for each key.
    pub fn new(quota: Quota) -> Self {
        Self {
            limiter: RateLimiter::keyed(quota),
        }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// `TooManyRequests` with this text if that is too many; `data.retryAfter` in seconds, from 1.
    pub fn count(&self, key: &K, refusal: &'static str) -> Result<()> {
        if let Err(refused) = self.limiter.check_key(key) {
            let wait = refused.wait_time_from(self.limiter.clock().now());
            let error = Error::too_many_requests(refusal);
            return Err(error.with_data(json!({"retryAfter": wait.as_secs() + 1})));
        }
        if self.limiter.len() > REMEMBERED {
            self.limiter.retain_recent();
        }
        Ok(())
    }
}

/// Limits the calls, and the cursor messages, of connections and of those behind them.
#[derive(Default)]
pub struct Limits(Option<Rates>);

struct Rates {
    connections: Limiter<usize>,
    callers: Limiter<Who>,
}

/// Whoever is behind a call.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    /// A user or an agent.
    Known(String),
    Address(IpAddr),
}

impl Limits {
    /// So many calls a second for each connection, and four times as many for each user, or each
    /// address where no user is known; ten seconds' worth at once. 0 limits nothing.
    pub fn new(calls: u32) -> Self {
        Self(NonZeroU32::new(calls).map(|calls| {
            let quota = |calls: NonZeroU32| {
                let burst = calls.saturating_mul(NonZeroU32::new(BURST).unwrap_or(calls));
                Quota::per_second(calls).allow_burst(burst)
            };
            let busy = NonZeroU32::new(BUSY).unwrap_or(calls);
            Rates {
                connections: Limiter::new(quota(calls)),
                callers: Limiter::new(quota(calls.saturating_mul(busy))),
            }
        }))
    }

    /// Counts a call. The daemon's own are not counted.
    ///
    /// # Errors
    /// `TooManyRequests`; `data.retryAfter` in seconds.
    pub fn count(&self, caller: &Caller) -> Result<()> {
        if caller.provider.is_none() {
            return Ok(());
        }
        self.count_message(caller.connection.as_ref(), caller.address, || {
            caller.identity.clone()
        })
    }

    /// Counts what came over a connection, from an address and somebody.
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub fn count_message(
        &self,
        connection: Option<&Arc<dyn Login>>,
        address: Option<IpAddr>,
        identity: impl FnOnce() -> Identity,
    ) -> Result<()> {
        const REFUSAL: &str = "Too many calls; wait a little";
        let Some(rates) = &self.0 else {
            return Ok(());
        };
        if let Some(connection) = connection {
            rates.connections.count(&place(connection), REFUSAL)?;
        }
        let identity = identity();
        let known = identity.id().map(|id| Who::Known(id.to_owned()));
        match known.or(address.map(Who::Address)) {
            Some(who) => rates.callers.count(&who, REFUSAL),
            None => Ok(()),
        }
    }
}

/// What tells a connection from others, as long as it lasts. One that comes later may be at the same
/// place: it starts with what is left there.
fn place(connection: &Arc<dyn Login>) -> usize {
    Arc::as_ptr(connection).cast::<()>().addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::identity::{Role, User};

    fn caller(user_id: Option<&str>, provider: Option<&'static str>) -> Caller {
        let user = |id: &str| {
            let (id, role) = (id.to_owned(), Role::Member);
            Identity::User(Arc::new(User {
                id,
                role,
                key: None,
            }))
        };
        Caller {
            identity: user_id.map_or(Identity::Nobody, user),
            provider,
            address: Some(IpAddr::from([127, 0, 0, 1])),
            ..Caller::system()
        }
    }

    #[test]
    fn counts_each_user_and_address_for_itself() {
        let limits = Limits::new(1);
        let at_once = |caller: &Caller| (0..100).filter(|_| limits.count(caller).is_ok()).count();
        for who in [Some("ann"), Some("bob"), None] {
            assert!((40..=50).contains(&at_once(&caller(who, Some("rest")))));
        }
        assert_eq!(at_once(&caller(None, None)), 100, "the daemon's own");
        let refused = limits.count(&caller(None, Some("rest")));
        let refused = serde_json::to_value(refused.expect_err("too many")).expect("JSON");
        assert_eq!(refused["code"], 429);
        assert_eq!(refused["data"]["retryAfter"], 1);
    }

    #[test]
    fn limits_nothing_where_nothing_is_said() {
        let limits = Limits::new(0);
        let caller = caller(None, Some("rest"));
        assert!((0..1_000).all(|_| limits.count(&caller).is_ok()));
    }
}
