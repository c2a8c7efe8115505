//! `agents/discover`: who is there to be hired: `{total, data}`, and `has_more` behind the last.

use serde_json::{Value, json};

use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    services::{records::Records, registry::Service, values::text},
    store::Store,
};

/// Agents on a page, if nothing is said and at most.
const USUAL: u64 = 20;
const MOST: u64 = 100;

/// `find {capability?, status?, min_price?, max_price?, min_reputation?, online_only?, sort_by?, limit?,
/// after?}`: `after` is the id of the last agent of the page before.
pub struct Discover(pub Records);

/// Which agents, and in what order.
struct Wanted<'a> {
    capability: Option<&'a str>,
    price: (Option<f64>, Option<f64>),
    reputation: Option<f64>,
    online_only: bool,
    sort: Sort,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Newest,
    Reputation,
    Price,
    Availability,
}

impl<'a> Wanted<'a> {
    fn read(query: &'a Record) -> Result<Self> {
        let number = |name: &str| match query.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
                let number = number.filter(|number: &f64| number.is_finite());
                let wrong = || Error::bad_request(format!("`{name}` must be a number"));
                number.map(Some).ok_or_else(wrong)
            }
        };
        let sort = match text(query, "sort_by") {
            None | Some("" | "newest" | "created_at") => Sort::Newest,
            Some("reputation" | "reputation_score") => Sort::Reputation,
            Some("price" | "base_price") => Sort::Price,
            Some("availability") => Sort::Availability,
            Some(_) => {
                return Err(Error::bad_request(
                    "`sort_by` must be one of created_at, reputation_score, base_price, availability",
                ));
            }
        };
        let is_set = |name| {
            matches!(query.get(name), Some(Value::Bool(true)))
                || matches!(text(query, name), Some("true" | "1"))
        };
        Ok(Self {
            capability: text(query, "capability").filter(|capability| !capability.is_empty()),
            price: (number("min_price")?, number("max_price")?),
            reputation: number("min_reputation")?,
            online_only: is_set("online_only") || is_set("online"),
            sort,
        })
    }

    fn fits(&self, agent: &Record) -> bool {
        let can = |capability: &str| {
            let capabilities = agent.get("capabilities").and_then(Value::as_array);
            capabilities.is_some_and(|all| all.iter().any(|one| one == capability))
        };
        let (price, (least, most)) = (price(agent), self.price);
        self.capability.is_none_or(can)
            && least.is_none_or(|least| price >= least)
            && most.is_none_or(|most| price <= most)
            && self
                .reputation
                .is_none_or(|least| reputation(agent) >= least)
            && !(self.online_only && text(agent, "availability_status") == Some("offline"))
    }

    /// The best first; agents come from the database oldest first.
    fn sort(&self, agents: &mut [Record]) {
        agents.reverse();
        let availability = |agent: &Record| match text(agent, "availability_status") {
            Some("available") => 0,
            Some("busy") => 1,
            _ => 2,
        };
        match self.sort {
            Sort::Newest => {}
            Sort::Reputation => agents.sort_by(|a, b| reputation(b).total_cmp(&reputation(a))),
            Sort::Price => agents.sort_by(|a, b| price(a).total_cmp(&price(b))),
            Sort::Availability => agents.sort_by_key(availability),
        }
    }
}

fn price(agent: &Record) -> f64 {
    let price = text(agent, "base_price").and_then(|price| price.parse().ok());
    price.unwrap_or_default()
}

fn reputation(agent: &Record) -> f64 {
    let reputation = agent.get("reputation_score").and_then(Value::as_f64);
    reputation.unwrap_or_default()
}

impl Service for Discover {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let wanted = Wanted::read(&call.query)?;
            let limit = match call.query.get("limit") {
                None | Some(Value::Null) => USUAL,
                Some(limit) => {
                    let limit = limit.as_u64().or_else(|| limit.as_str()?.parse().ok());
                    let wrong = || Error::bad_request(format!("`limit` must be 1 to {MOST}"));
                    limit
                        .filter(|limit| *limit > 0)
                        .ok_or_else(wrong)?
                        .min(MOST)
                }
            };
            let status = text(&call.query, "status").unwrap_or("active");
            let all = Record::from_iter([
                ("kind".to_owned(), json!(super::WORKS)),
                ("status".to_owned(), json!(status)),
            ]);
            let mut agents = self
                .0
                .matching(
                    &all,
                    &crate::core::identity::Identity::System,
                    &mut store.reader(),
                )
                .await?;
            agents.retain(|agent| wanted.fits(agent));
            wanted.sort(&mut agents);
            let total = agents.len();
            if let Some(after) = text(&call.query, "after") {
                let place = agents
                    .iter()
                    .position(|agent| text(agent, "id") == Some(after));
                let gone = || Error::bad_request("The page before is gone; begin anew");
                agents.drain(..=place.ok_or_else(gone)?);
            }
            let has_more = agents.len() as u64 > limit;
            agents.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(json!({"total": total, "data": agents, "has_more": has_more}).into())
        })
    }
}
