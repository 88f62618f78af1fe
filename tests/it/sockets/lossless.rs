//! Nothing is lost: how many bytes had moved, and going on from there.

use super::util::{ends, ms, tcp_pair};
use netwheel::{Pollable, is_deadline, progress};
use std::io::{Read, Write};

#[test]
fn a_pollables_exact_transfers_tell_their_progress_and_go_on() {
    ends(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = Pollable::new(reader).unwrap();
        writer.write_all(b"abc").unwrap();
        reader.set_deadline(ms(20)).unwrap();
        let mut buf = [0; 6];
        let error = (&reader).read_exact(&mut buf).unwrap_err();
        assert!(is_deadline(&error));
        assert_eq!(progress(&error), 3);
        assert!(error.to_string().contains("after 3 bytes"), "{error}");
        writer.write_all(b"def").unwrap();
        reader.set_deadline(None).unwrap();
        (&reader).read_exact(&mut buf[3..]).unwrap();
        assert_eq!(&buf, b"abcdef");

        let (_reader, writer) = std::io::pipe().unwrap();
        let writer = Pollable::new(writer).unwrap();
        writer.set_deadline(ms(20)).unwrap();
        let error = (&writer).write_all(&vec![0; 1 << 20]).unwrap_err();
        assert!(is_deadline(&error));
        assert!(progress(&error) >= 4096, "{error}");
    });
}

#[test]
fn a_deadline_that_was_cleared_meanwhile_is_not_shown_as_one_far_off() {
    let (client, _server) = tcp_pair();
    client.set_read_deadline(ms(0)).unwrap();
    let error = (&client).read(&mut [0]).unwrap_err();
    let payload = error.get_ref().unwrap().downcast_ref::<netwheel::DeadlineExceeded>().unwrap();
    assert!(payload.deadline.unwrap() <= std::time::Instant::now());
}
