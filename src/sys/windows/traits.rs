//! The conversions that Windows has for sockets.

/// The conversions from and into sockets and their numbers, and `Debug`, for a type with a field
/// `fd`.
macro_rules! file_traits {
    ($type:ident) => {
        impl ::std::os::windows::io::AsSocket for $type {
            /// The number stays taken until the value is dropped, also after a close. A close can
            /// only shut such a socket down then: its port is free when the value is dropped.
            fn as_socket(&self) -> ::std::os::windows::io::BorrowedSocket<'_> {
                self.fd.lend()
            }
        }

        impl ::std::os::windows::io::AsRawSocket for $type {
            fn as_raw_socket(&self) -> ::std::os::windows::io::RawSocket {
                ::std::os::windows::io::AsRawSocket::as_raw_socket(&self.fd.lend())
            }
        }

        impl From<::std::os::windows::io::OwnedSocket> for $type {
            /// Puts the socket into non-blocking mode. One that the poller refuses says so in every
            /// operation; `from_std`, where there is one, says so at once.
            ///
            /// # Panics
            ///
            /// If the process is out of handles for the poller itself, which its first socket
            /// opens.
            fn from(socket: ::std::os::windows::io::OwnedSocket) -> Self {
                Self { fd: $crate::fd::Fd::adopt_anyway(socket) }
            }
        }

        impl From<$type> for ::std::os::windows::io::OwnedSocket {
            /// The socket is in blocking mode; its deadlines are gone. A closed one gives a dead
            /// socket.
            fn from(value: $type) -> Self {
                value.fd.into_owned()
            }
        }

        impl ::std::os::windows::io::IntoRawSocket for $type {
            /// As into an `OwnedSocket`.
            fn into_raw_socket(self) -> ::std::os::windows::io::RawSocket {
                ::std::os::windows::io::OwnedSocket::from(self).into_raw_socket()
            }
        }

        #[expect(unsafe_code, reason = "std's trait: the caller vouches for the number")]
        impl ::std::os::windows::io::FromRawSocket for $type {
            /// As from an `OwnedSocket`.
            unsafe fn from_raw_socket(fd: ::std::os::windows::io::RawSocket) -> Self {
                Self::from($crate::sys::owned(fd))
            }
        }

        impl ::std::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.fd.debug(stringify!($type), f)
            }
        }
    };
}
pub(crate) use file_traits;
