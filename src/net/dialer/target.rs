//! Whom to dial: [`Target`].

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// A name and a port, or addresses; made by `into()`.
///
/// `"NAME:PORT"` and `("NAME", port)`, where the name may be an IP address as well (in brackets, in
/// the first form, if it has colons); a [`SocketAddr`], or many of them, which are tried in the
/// order given but for their families, which take turns. What cannot be understood is an error of
/// the dial.
///
/// ```
/// use netwheel::net::dialer::Target;
///
/// assert_eq!(Target::from("example.com:443").to_string(), "example.com:443");
/// assert_eq!(Target::from(("::1", 443)).to_string(), "[::1]:443");
/// ```
#[derive(Clone, Debug)]
pub struct Target(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Name { host: Box<str>, port: u16 },
    Addresses(Vec<SocketAddr>),
    Invalid(Box<str>),
}

/// A target with everything done that takes no time.
pub(super) enum Parsed {
    Name { host: Box<str>, port: u16 },
    Addresses(Vec<SocketAddr>),
}

impl Target {
    pub(super) fn parse(self) -> io::Result<Parsed> {
        match self.0 {
            Kind::Name { host, port } => Ok(Parsed::Name { host, port }),
            Kind::Addresses(addresses) => Ok(Parsed::Addresses(addresses)),
            Kind::Invalid(_) => {
                let what = "neither NAME:PORT nor ADDRESS:PORT";
                Err(io::Error::new(io::ErrorKind::InvalidInput, what))
            }
        }
    }
}

/// The name and the port of `NAME:PORT`.
fn split(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bracketed {
        Some(host) => host,
        None if host.contains([':', '[', ']']) => return None,
        None => host,
    };
    // `parse` would take a sign as well.
    let port = port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))?;
    (!host.is_empty()).then_some((host, port))
}

impl From<&str> for Target {
    fn from(text: &str) -> Self {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return address.into();
        }
        split(text).map_or_else(|| Self(Kind::Invalid(text.into())), Self::from)
    }
}

impl From<String> for Target {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&String> for Target {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<(&str, u16)> for Target {
    fn from((host, port): (&str, u16)) -> Self {
        match host.parse::<IpAddr>() {
            Ok(ip) => (ip, port).into(),
            Err(_) => Self(Kind::Name { host: host.into(), port }),
        }
    }
}

impl From<(String, u16)> for Target {
    fn from((host, port): (String, u16)) -> Self {
        (host.as_str(), port).into()
    }
}

impl From<(IpAddr, u16)> for Target {
    fn from(address: (IpAddr, u16)) -> Self {
        SocketAddr::from(address).into()
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        vec![address].into()
    }
}

impl From<&[SocketAddr]> for Target {
    fn from(addresses: &[SocketAddr]) -> Self {
        addresses.to_vec().into()
    }
}

impl From<Vec<SocketAddr>> for Target {
    fn from(addresses: Vec<SocketAddr>) -> Self {
        Self(Kind::Addresses(addresses))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            // Only a scoped address has colons in a name.
            Kind::Name { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Kind::Name { host, port } => write!(f, "{host}:{port}"),
            Kind::Addresses(addresses) => match &addresses[..] {
                [] => f.write_str("no address"),
                [only] => only.fmt(f),
                [first, rest @ ..] => write!(f, "{first} and {} more", rest.len()),
            },
            Kind::Invalid(text) => write!(f, "{text:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Parsed, Target};

    #[test]
    fn names_and_addresses_are_told_apart() {
        let table = [
            ("example.com:443", Some("name example.com 443")),
            ("localhost:0", Some("name localhost 0")),
            ("127.0.0.1:80", Some("127.0.0.1:80")),
            ("[::1]:80", Some("[::1]:80")),
            // Scopes are for the resolver.
            ("[fe80::1%lo]:80", Some("name fe80::1%lo 80")),
            ("[example.com]:80", Some("name example.com 80")),
            ("example.com", None),
            ("example.com:", None),
            ("example.com:http", None),
            ("example.com:65536", None),
            ("example.com:+80", None),
            ("::1:80", None),
            (":80", None),
            ("[]:80", None),
            ("", None),
        ];
        for (text, expected) in table {
            let parsed = Target::from(text).parse().map(|parsed| match parsed {
                Parsed::Name { host, port } => format!("name {host} {port}"),
                Parsed::Addresses(addresses) => addresses[0].to_string(),
            });
            assert_eq!(parsed.ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_address_in_place_of_a_name_needs_no_resolver() {
        for host in ["::1", "127.0.0.1"] {
            assert!(matches!(Target::from((host, 80)).parse(), Ok(Parsed::Addresses(_))), "{host}");
        }
    }

    #[test]
    fn it_is_shown_as_it_was_given() {
        for text in ["example.com:443", "127.0.0.1:80", "[::1]:80", "[fe80::1%lo]:80"] {
            assert_eq!(Target::from(text).to_string(), text);
        }
    }
}
