//! The kernel: clocks, and one file per polling facility. The only unsafe code of the crate.
#![allow(unsafe_code, reason = "system calls")]

cfg_select! {
    unix => {
        mod armed;
        mod poll;
        mod unix;
        pub use poll::PosixPoll;
        pub(crate) use unix::{coarse_nanos, monotonic_nanos};
    }
    windows => {
        mod windows;
        pub use windows::Afd;
        pub(crate) use windows::{coarse_nanos, monotonic_nanos};
    }
}

cfg_select! {
    any(target_os = "linux", target_os = "android") => {
        mod epoll;
        pub use epoll::Epoll;
    }
    _ => {}
}

cfg_select! {
    any(
        netwheel_backend = "kqueue",
        all(
            any(
                target_vendor = "apple",
                target_os = "freebsd",
                target_os = "netbsd",
                target_os = "openbsd",
                target_os = "dragonfly",
            ),
            target_pointer_width = "64",
        ),
    ) => {
        mod kqueue;
        pub use kqueue::Kqueue;
    }
    test => {
        // The part of it that needs no kernel.
        #[path = "sys/kqueue/said.rs"]
        mod said;
    }
    _ => {}
}

cfg_select! {
    all(any(target_os = "illumos", target_os = "solaris"), target_pointer_width = "64") => {
        mod ports;
        pub use ports::EventPorts;
    }
    _ => {}
}

cfg_select! {
    netwheel_backend = "poll" => {
        /// What a poller is made on.
        pub(crate) type System = PosixPoll;
    }
    any(
        netwheel_backend = "kqueue",
        all(
            any(
                target_vendor = "apple",
                target_os = "freebsd",
                target_os = "netbsd",
                target_os = "openbsd",
                target_os = "dragonfly",
            ),
            target_pointer_width = "64",
        ),
    ) => {
        /// What a poller is made on.
        pub(crate) type System = Kqueue;
    }
    any(target_os = "linux", target_os = "android") => {
        /// What a poller is made on.
        pub(crate) type System = Epoll;
    }
    all(any(target_os = "illumos", target_os = "solaris"), target_pointer_width = "64") => {
        /// What a poller is made on.
        pub(crate) type System = EventPorts;
    }
    unix => {
        /// What a poller is made on.
        pub(crate) type System = PosixPoll;
    }
    windows => {
        /// What a poller is made on.
        pub(crate) type System = Afd;
    }
}
