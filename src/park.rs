//! The parker of each thread that blocks.

use netwheel_netpoll::Parker;
use std::cell::OnceCell;
use std::sync::Arc;
use std::task::Waker;

thread_local! {
    static CURRENT: OnceCell<(Arc<Parker>, Waker)> = const { OnceCell::new() };
}

/// Calls `f` with the parker of this thread and the waker that wakes it.
pub(crate) fn with_parker<R>(f: impl FnOnce(&Arc<Parker>, &Waker) -> R) -> R {
    CURRENT.with(|current| {
        let (parker, waker) = current.get_or_init(|| {
            let parker = Arc::new(Parker::new());
            let waker = Waker::from(Arc::clone(&parker));
            (parker, waker)
        });
        f(parker, waker)
    })
}
