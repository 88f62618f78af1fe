//! Standing back for other tasks: [`yield_now`].

use std::future::poll_fn;
use std::task::Poll;

/// Lets the other tasks run once.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
