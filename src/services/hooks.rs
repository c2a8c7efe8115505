//! What runs around a service's methods.
//!
//! What runs before `next` runs before the call enters the write lane, in the order of the
//! connection's calls; what runs after it runs after the commit and changes the caller's answer only.

use std::sync::Arc;

use super::registry::Service;
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    store::Store,
};

/// A call on its way through the hooks.
pub struct Context<'a> {
    /// The call; hooks may change it before `next`.
    pub call: Call,
    /// The database.
    pub store: &'a Store,
    /// The answer: set by the service, or by a hook in its stead.
    pub result: Option<Answer>,
}

/// A hook: before, after or instead, by where it calls `next`.
pub trait Hook: Send + Sync + 'static {
    /// Runs around the rest.
    fn run<'a>(&'a self, context: &'a mut Context<'_>, next: Next<'a>)
    -> BoxFuture<'a, Result<()>>;
}

/// The hooks that are left, and the service at the end.
pub struct Next<'a> {
    pub(super) hooks: &'a [Arc<dyn Hook>],
    pub(super) service: &'a dyn Service,
}

impl<'a> Next<'a> {
    /// Runs the rest.
    ///
    /// # Errors
    /// Whatever a hook or the service fails with.
    pub fn run(self, context: &'a mut Context<'_>) -> BoxFuture<'a, Result<()>> {
        match self.hooks.split_first() {
            Some((hook, hooks)) => hook.run(
                context,
                Next {
                    hooks,
                    service: self.service,
                },
            ),
            None => Box::pin(async move {
                if context.result.is_none() {
                    context.result = Some(self.service.call(&context.call, context.store).await?);
                }
                Ok(())
            }),
        }
    }
}

/// Runs a function before the methods it is for.
pub fn before(
    methods: impl Into<Vec<Method>>,
    change: impl Fn(&mut Call) -> Result<()> + Send + Sync + 'static,
) -> impl Hook {
    Simple {
        methods: methods.into(),
        change: Change::Before(Box::new(change)),
    }
}

/// Runs a function on the answer of the methods it is for.
pub fn after(
    methods: impl Into<Vec<Method>>,
    change: impl Fn(&Call, &mut Answer) -> Result<()> + Send + Sync + 'static,
) -> impl Hook {
    Simple {
        methods: methods.into(),
        change: Change::After(Box::new(change)),
    }
}

/// Runs a function on the failure of the methods it is for; it returns the failure to answer with.
pub fn error(
    methods: impl Into<Vec<Method>>,
    change: impl Fn(&Call, Error) -> Error + Send + Sync + 'static,
) -> impl Hook {
    Simple {
        methods: methods.into(),
        change: Change::Error(Box::new(change)),
    }
}

type BeforeFn = dyn Fn(&mut Call) -> Result<()> + Send + Sync;
type AfterFn = dyn Fn(&Call, &mut Answer) -> Result<()> + Send + Sync;
type ErrorFn = dyn Fn(&Call, Error) -> Error + Send + Sync;

enum Change {
    Before(Box<BeforeFn>),
    After(Box<AfterFn>),
    Error(Box<ErrorFn>),
}

/// A function at one side of `next`, for some methods, or for all if none is named.
struct Simple {
    methods: Vec<Method>,
    change: Change,
}

impl Hook for Simple {
    fn run<'a>(
        &'a self,
        context: &'a mut Context<'_>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        if !self.methods.is_empty() && !self.methods.contains(&context.call.method) {
            return next.run(context);
        }
        Box::pin(async move {
            match &self.change {
                Change::Before(change) => {
                    change(&mut context.call)?;
                    next.run(context).await
                }
                Change::After(change) => {
                    next.run(&mut *context).await?;
                    let result = context.result.get_or_insert_default();
                    change(&context.call, result)
                }
                Change::Error(change) => {
                    let outcome = next.run(&mut *context).await;
                    outcome.map_err(|error| change(&context.call, error))
                }
            }
        })
    }
}
