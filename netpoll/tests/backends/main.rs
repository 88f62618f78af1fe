//! The contract of [`Backend`](netwheel_netpoll::Backend), case by case, on every backend that
//! this system has.
//!
//! `kernels.rs` says what a case needs of a kernel: pairs of connected files, and a way to disturb
//! a wait. The other files are the cases, by clause of the contract. `.ci/backends` prints the
//! table of cases and backends.
//!
//! Times have exact lower bounds and generous upper ones.
#![allow(unsafe_code, reason = "signals")]

mod breaks;
mod closing;
mod delays;
mod edges;
mod hang_ups;
mod kernels;
mod many;
mod registration;
mod watch;

/// Stamps all cases onto each backend.
macro_rules! stamp {
    ($($(#[$meta:meta])* $backend:ident: $kernel:expr;)*) => {
        $(
            $(#[$meta])*
            mod $backend {
                stamp!(
                    cases $kernel;
                    registration:
                        what_holds_already_is_reported,
                        what_cannot_be_polled_is_refused,
                        a_file_is_registered_once_at_a_time,
                        a_file_is_registered_again_after_it_was_deregistered,
                        a_file_that_is_not_registered_cannot_be_deregistered,
                        the_backends_own_files_are_known;
                    edges:
                        data_is_reported_to_a_reader,
                        room_in_a_full_buffer_is_reported_to_a_writer,
                        every_arrival_is_reported,
                        arrivals_between_two_polls_may_be_told_by_one_report,
                        what_does_not_change_is_not_reported_for_ever,
                        one_direction_is_reported_without_the_other,
                        a_direction_stays_armed_while_the_other_is_reported,
                        data_left_behind_is_reported_when_armed,
                        an_unarmed_direction_is_silent,
                        arming_what_is_not_registered_does_nothing;
                    hang_ups:
                        an_end_of_stream_is_reported_to_a_reader,
                        an_end_that_comes_with_data_is_not_lost_by_a_short_read,
                        a_reset_is_reported_in_both_directions,
                        a_reset_is_reported_to_who_waits_in_one_direction,
                        a_hang_up_is_not_reported_for_ever;
                    breaks:
                        a_wake_up_before_a_wait_ends_it,
                        a_look_leaves_a_wake_up_to_the_wait,
                        many_wake_ups_end_one_wait,
                        a_wake_up_ends_a_wait_in_progress,
                        wake_ups_of_other_threads_are_not_lost,
                        a_pending_wake_up_hides_no_event;
                    delays:
                        a_delay_is_rounded_up,
                        a_look_does_not_wait,
                        the_longest_delays_are_waited_for,
                        signals_neither_fail_a_wait_nor_prolong_it;
                    closing:
                        nothing_is_reported_after_a_close,
                        a_number_used_again_reports_as_the_file_that_it_means,
                        events_fetched_before_a_close_tell_whose_they_were,
                        a_file_is_closed_during_a_wait,
                        a_file_is_let_go_before_close_returns,
                        an_address_is_free_after_a_close,
                        a_file_is_opened_during_a_wait,
                        a_direction_is_armed_during_a_wait,
                        files_come_and_go_during_waits;
                    many:
                        thousands_of_files_are_reported,
                        more_events_than_a_batch_come_with_the_polls_after;
                );
            }
        )*
    };
    (cases $kernel:expr; $($clause:ident: $($case:ident),* ;)*) => {
        use crate::kernels::{Real, Simulated};
        $($(
            #[test]
            fn $case() {
                crate::$clause::$case(&$kernel);
            }
        )*)*
    };
}

#[allow(unused_imports, reason = "each backend has a kernel of one kind")]
mod stamped {
    stamp! {
        #[cfg(target_os = "linux")]
        epoll: Real::on(netwheel_netpoll::Epoll::new());
        #[cfg(target_os = "linux")]
        epoll_ms: Real::on(netwheel_netpoll::Epoll::new().map(|epoll| epoll.without_pwait2()));
        #[cfg(unix)]
        poll: Real::on(netwheel_netpoll::PosixPoll::new());
        #[cfg(any(
            netwheel_backend = "kqueue",
            target_vendor = "apple",
            target_os = "freebsd",
            target_os = "netbsd",
            target_os = "openbsd",
            target_os = "dragonfly",
        ))]
        kqueue: Real::on(netwheel_netpoll::Kqueue::new()).registers_anew();
        #[cfg(any(target_os = "illumos", target_os = "solaris"))]
        ports: Real::on(netwheel_netpoll::EventPorts::new());
        #[cfg(windows)]
        afd: Real::on(netwheel_netpoll::Afd::new());
        sim: Simulated::new();
        sim_one_shot: Simulated::one_shot();
    }
}
