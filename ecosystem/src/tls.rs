//! [`Localhost`].

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::error::Error;
use std::sync::Arc;

/// A server by the name of `localhost` that has signed its own certificate, and a client that
/// trusts it: to try TLS on one machine. A real client has the roots of its system.
#[derive(Clone, Debug)]
pub struct Localhost {
    /// What there is to trust.
    pub certificate: CertificateDer<'static>,
    /// Trusts this certificate and no other.
    pub client: Arc<ClientConfig>,
    /// Has its key.
    pub server: Arc<ServerConfig>,
}

impl Localhost {
    /// A certificate with a new key.
    ///
    /// # Errors
    ///
    /// None on a machine that has random numbers.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()])?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone())?;
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)?;
        Ok(Self { certificate: cert.into(), client: client.into(), server: server.into() })
    }

    /// The name that the certificate is for.
    ///
    /// # Panics
    ///
    /// Never.
    #[must_use]
    pub fn name() -> ServerName<'static> {
        ServerName::try_from("localhost").expect("it is a name")
    }
}
