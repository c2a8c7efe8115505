//! Says back what it is told: a line `@name: …` in it is passed on, so that a task can send a message on its
//! way.

use std::future::{pending, ready};

use serde_json::Value;

use super::{Backend, Turn};
use crate::{
    core::BoxFuture,
    services::swarms::{inbox::Item, turns::Outcome},
};

pub(super) struct Echo;

impl Backend for Echo {
    fn ready(&mut self) -> BoxFuture<'_, Result<Option<Value>, String>> {
        Box::pin(ready(Ok(None)))
    }

    fn turn<'a>(&'a mut self, item: &'a Item) -> BoxFuture<'a, Turn> {
        Box::pin(ready(Turn::Over(Outcome::Said(item.content.clone()))))
    }

    fn idle(&mut self) -> BoxFuture<'_, Option<Value>> {
        Box::pin(pending())
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }
}
