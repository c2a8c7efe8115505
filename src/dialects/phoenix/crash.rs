//! Panics of the program's: caught, logged, and nobody else's matter.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::FutureExt;

use crate::core::panics;

/// The program panicked, and the log says so.
pub(super) struct Crashed;

/// Calls the program.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Crashed> {
    catch_unwind(AssertUnwindSafe(call)).map_err(report)
}

/// As [`caught`], for what takes a while.
pub(super) async fn caught_later<T>(call: impl Future<Output = T>) -> Result<T, Crashed> {
    let called = AssertUnwindSafe(call).catch_unwind();
    called.await.map_err(report)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a panic is given whole to who catches it"
)]
fn report(panic: Box<dyn Any + Send>) -> Crashed {
    tracing::error!(
        message = panics::message(panic.as_ref()),
        "a channel panicked"
    );
    Crashed
}
