//! What the examples of this package share, and nothing that they are about: how a program is told
//! to stop, what an HTTP server answers, and a certificate to try TLS with.

mod answer;
mod stop;
mod tls;

pub use answer::answer;
pub use stop::Stop;
pub use tls::Localhost;
