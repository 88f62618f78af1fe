//! Files that the poller refuses.

use super::util::ms;
use netwheel::pipe::{PipeReader, PipeWriter};
use netwheel::{Pollable, is_closed};
use std::io::{Error, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;

fn regular_file() -> std::fs::File {
    rustix::fs::memfd_create("regular", rustix::fs::MemfdFlags::CLOEXEC).unwrap().into()
}

#[track_caller]
fn check_says_so(error: Error) {
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("does not support deadlines"), "{error}");
}

#[test]
fn a8_regular_file_is_refused_with_a_clear_error() {
    check_says_so(Pollable::new(regular_file()).unwrap_err());
    check_says_so(Pollable::new(std::fs::File::open("/").unwrap()).unwrap_err());
}

#[test]
fn a8_every_operation_on_a_converted_regular_file_says_so() {
    let reader = PipeReader::from(OwnedFd::from(regular_file()));
    check_says_so(reader.set_deadline(ms(10_000)).unwrap_err());
    check_says_so(reader.set_read_deadline(None).unwrap_err());
    check_says_so((&reader).read(&mut [0; 8]).unwrap_err());
    check_says_so((&reader).read(&mut []).unwrap_err());

    let writer = PipeWriter::from(OwnedFd::from(regular_file()));
    check_says_so(writer.set_write_deadline(ms(10_000)).unwrap_err());
    check_says_so((&writer).write(b"x").unwrap_err());
    writer.close().unwrap();
    assert!(is_closed(&(&writer).write(b"x").unwrap_err()), "closed beats everything (CL-8)");
    assert!(is_closed(&writer.set_deadline(None).unwrap_err()));
}
