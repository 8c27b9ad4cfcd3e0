//! Futures that are dropped at any moment.

use std::future::{Future, poll_fn};
use std::task::Poll;

/// More polls than any future under test needs.
const MOST_POLLS: usize = 1000;

/// Polls a future so often, each time when it is woken, and drops it if it is
/// not done by then.
pub(crate) async fn polled<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// How often to poll, from not at all, until something is done.
pub(crate) fn more_and_more_polls() -> impl Iterator<Item = usize> {
    (0..MOST_POLLS).chain(std::iter::once_with(|| {
        panic!("it is not done after {MOST_POLLS} polls")
    }))
}
