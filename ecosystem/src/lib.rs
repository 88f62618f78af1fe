//! What the examples of this package share, and nothing that they are about: how a program is told
//! to stop, and a certificate to try TLS with.

mod stop;
mod tls;

pub use stop::Stop;
pub use tls::Localhost;
