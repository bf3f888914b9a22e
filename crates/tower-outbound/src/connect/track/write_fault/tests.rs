use std::task::Waker;

use super::*;

const NOTHING: Poll<io::Result<()>> = Poll::Pending;

fn fault(held: bool) -> WriteFault {
    WriteFault::new(&io::Error::from_raw_os_error(32), held)
}

fn is_the_error<R>(result: &Poll<io::Result<R>>) -> bool {
    matches!(result, Poll::Ready(Err(error)) if error.raw_os_error() == Some(32))
}

/// The number of calls until the error comes, at most 10,000.
fn calls(mut call: impl FnMut() -> bool) -> usize {
    (0..10_000).take_while(|_| !call()).count()
}

#[test]
fn write_fault_not_held_is_the_error_at_once() {
    let cx = Context::from_waker(Waker::noop());
    assert!(is_the_error(&fault(false).write::<()>(&cx, false)));
    assert!(is_the_error(&fault(false).read(&cx, NOTHING, ReadEnd::None)));
}

#[test]
fn write_fault_held_ends_whatever_the_client_does() {
    let cx = Context::from_waker(Waker::noop());
    // It only writes, or only reads, or both, and nothing comes.
    let mut held = fault(true);
    assert_eq!(calls(|| is_the_error(&held.write::<()>(&cx, false))), WRITES as usize);
    let mut held = fault(true);
    assert_eq!(calls(|| is_the_error(&held.read(&cx, NOTHING, ReadEnd::None))), PENDING_READS as usize);
    let mut held = fault(true);
    let both = calls(|| {
        let write = is_the_error(&held.write::<()>(&cx, false));
        is_the_error(&held.read(&cx, NOTHING, ReadEnd::None)) || write
    });
    assert_eq!(both, PENDING_READS as usize);
    assert!(is_the_error(&held.write::<()>(&cx, false)), "it stays");
}

#[test]
fn write_fault_held_lets_reads_pass_to_their_end() {
    let cx = Context::from_waker(Waker::noop());
    for end in [Poll::Ready(Ok(())), Poll::Ready(Err(ErrorKind::ConnectionReset.into()))] {
        let mut held = fault(true);
        for _ in 0..10_000 {
            assert!(held.write::<()>(&cx, false).is_pending());
            assert!(matches!(held.read(&cx, Poll::Ready(Ok(())), ReadEnd::None), Poll::Ready(Ok(()))));
        }
        assert!(is_the_error(&held.read(&cx, end, ReadEnd::OfSocket)));
        assert!(is_the_error(&held.write::<()>(&cx, false)));
    }
    let announced = fault(true).read(&cx, Poll::Ready(Ok(())), ReadEnd::Announced);
    assert!(matches!(announced, Poll::Ready(Ok(()))));
    let alert = Poll::Ready(Err(ErrorKind::InvalidData.into()));
    let read = fault(true).read(&cx, alert, ReadEnd::None);
    assert!(matches!(read, Poll::Ready(Err(error)) if error.kind() == ErrorKind::InvalidData));
}
