//! The conversions that Unix has for open files.

/// The conversions from and into files and their numbers, and `Debug`, for a type with a field `fd`.
macro_rules! file_traits {
    ($type:ident) => {
        impl ::std::os::fd::AsFd for $type {
            /// The number stays taken until the value is dropped, also after a close: then it
            /// refers to a dead socket.
            fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                self.fd.lend()
            }
        }

        impl ::std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> ::std::os::fd::RawFd {
                ::std::os::fd::AsRawFd::as_raw_fd(&self.fd.lend())
            }
        }

        impl From<::std::os::fd::OwnedFd> for $type {
            /// Puts the file into non-blocking mode. One that the poller refuses (a regular file)
            /// says so in every operation; `from_std`, where there is one, says so at once.
            ///
            /// # Panics
            ///
            /// If the process is out of descriptors for the poller itself, which its first socket
            /// opens.
            fn from(file: ::std::os::fd::OwnedFd) -> Self {
                Self { fd: $crate::fd::Fd::adopt_anyway(file) }
            }
        }

        impl From<$type> for ::std::os::fd::OwnedFd {
            /// The file is in blocking mode again, unless it came in non-blocking mode; its
            /// deadlines are gone. A closed one gives a dead socket.
            fn from(value: $type) -> Self {
                value.fd.into_owned()
            }
        }

        impl ::std::os::fd::IntoRawFd for $type {
            /// As into an `OwnedFd`.
            fn into_raw_fd(self) -> ::std::os::fd::RawFd {
                ::std::os::fd::OwnedFd::from(self).into_raw_fd()
            }
        }

        #[expect(unsafe_code, reason = "std's trait: the caller vouches for the number")]
        impl ::std::os::fd::FromRawFd for $type {
            /// As from an `OwnedFd`.
            unsafe fn from_raw_fd(fd: ::std::os::fd::RawFd) -> Self {
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
