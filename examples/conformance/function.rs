//! A service that is a function.

use std::future::ready;

use roost::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
        event::Draft,
    },
    error::Result,
    services::Service,
    store::{Store, lane::Work},
};

/// Answers calls with what a function says, and publishes what it drafts.
pub struct Function {
    methods: &'static [Method],
    answer: fn(&Call) -> Result<Answer>,
    draft: Option<fn(&Call, &Answer) -> Result<Draft>>,
    takes_bytes: bool,
}

impl Function {
    /// A service with these methods that publishes nothing.
    pub const fn new(methods: &'static [Method], answer: fn(&Call) -> Result<Answer>) -> Self {
        Self {
            methods,
            answer,
            draft: None,
            takes_bytes: false,
        }
    }

    /// Publishes an event after each call but `find` and `get`.
    pub const fn publishing(mut self, draft: fn(&Call, &Answer) -> Result<Draft>) -> Self {
        self.draft = Some(draft);
        self
    }

    /// Lets clients attach bytes.
    pub const fn taking_bytes(mut self) -> Self {
        self.takes_bytes = true;
        self
    }
}

impl Service for Function {
    fn methods(&self) -> Vec<Method> {
        self.methods.to_vec()
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let answer = (self.answer)(call);
        let Some(draft) = self.draft.filter(|_| !call.method.reads()) else {
            return Box::pin(ready(answer));
        };
        Box::pin(async move {
            let answer = answer?;
            let draft = draft(call, &answer)?;
            let publish = async move |work: &mut Work<'_>| {
                work.publish(draft);
                Ok(())
            };
            store.write(&call.turn, publish).await?;
            Ok(answer)
        })
    }

    fn takes_bytes(&self) -> bool {
        self.takes_bytes
    }
}
