//! Calls into code that is not ours, whose panics must harm nobody else.
//!
//! A worker wakes whoever waits, drops bodies, and calls the transport. Any of
//! these may be the user's code: what it does wrong ends with the call.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;

use crate::event::EventData;

/// What a call returns, `None` if it panics.
pub(crate) fn shielded<T>(call: impl FnOnce() -> T) -> Option<T> {
    // What the call leaves half done is its own.
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// Drops events one by one: a body's drop may be the user's. One that panics
/// costs the others nothing but another shield.
pub(crate) fn discard(events: &mut Vec<EventData>) {
    let mut drop_all = || {
        while let Some(rest) = events.len().checked_sub(1) {
            events.truncate(rest);
        }
    };
    while shielded(&mut drop_all).is_none() {}
}

/// A future that is not ours: resolves to `None` if it panics. It is dropped
/// behind the shield, too.
pub(crate) struct Shielded<'a, T> {
    future: Option<BoxFuture<'a, T>>,
}

impl<'a, T> Shielded<'a, T> {
    pub(crate) fn call(make: impl FnOnce() -> BoxFuture<'a, T>) -> Self {
        Self {
            future: shielded(make),
        }
    }

    fn end(&mut self) {
        let future = self.future.take();
        shielded(|| drop(future));
    }
}

impl<T> Future for Shielded<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(future) = &mut self.future else {
            return Poll::Ready(None);
        };
        match shielded(|| future.as_mut().poll(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(output)) => {
                self.end();
                Poll::Ready(Some(output))
            }
            None => {
                self.end();
                Poll::Ready(None)
            }
        }
    }
}

impl<T> Drop for Shielded<'_, T> {
    fn drop(&mut self) {
        self.end();
    }
}
