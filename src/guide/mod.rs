//! How to think in deadlines, and what to do with them. No code, only pages:
//!
//! - [`deadlines`]: deadline or timeout? What happens when one passes, and what it costs.
//! - [`phases`]: from dialing to draining, which deadline each phase of a connection needs.
//! - [`worlds`]: threads, any executor, the built-in scheduler; which one, and how they mix.
//! - [`recipes`]: a budget for a request, slow clients, cancelling, accepting, UDP, children, traces.
//! - [`coming_from`]: std, tokio, Go; what is called what here, and what is different.

#[doc = include_str!("deadlines.md")]
pub mod deadlines {}

#[doc = include_str!("phases.md")]
pub mod phases {}

#[doc = include_str!("worlds.md")]
pub mod worlds {}

#[doc = include_str!("recipes.md")]
pub mod recipes {}

#[doc = include_str!("coming_from.md")]
pub mod coming_from {}
