//! `messages/bulk` and `tasks/bulk`: many records in one call, each with its own event.

use super::{Service, records::Records};
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    store::{Store, lane::Work},
};

/// Creates a list of records; all of them or none.
pub struct Bulk(pub Records);

impl Service for Bulk {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let records = self.0.clone();
        let (items, by) = (call.data.clone(), call.caller.identity.clone());
        Box::pin(async move {
            if !items.is_array() {
                return Err(Error::bad_request("The data must be a list of records"));
            }
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                records.create(items, work).await
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}
