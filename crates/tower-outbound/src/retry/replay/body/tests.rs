use super::*;
use crate::record::Call;

/// Three frames of one byte each.
struct ThreeFrames(u8);

impl Body for ThreeFrames {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, Self::Error>>> {
        self.0 += 1;
        Poll::Ready((self.0 <= 3).then(|| Ok(Frame::data(vec![self.0].into()))))
    }
}

fn replay(max_bytes: usize) -> CallStorage<ReplayState<ThreeFrames>> {
    let (_, replay) = Call::with_storage::<ReplayState<ThreeFrames>>();
    replay.body.store(ThreeFrames(0), None, max_bytes);
    replay
}

fn next(lease: &mut LeasedBody<ThreeFrames>) -> Option<Result<Vec<u8>, BoxError>> {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    match Pin::new(lease).poll_frame(&mut cx) {
        Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap().to_vec())),
        Poll::Pending => panic!("the body is always ready"),
    }
}

fn remaining(mut lease: LeasedBody<ThreeFrames>) -> Vec<u8> {
    std::iter::from_fn(|| next(&mut lease)).flat_map(Result::unwrap).collect()
}

#[test]
fn lease_gives_whole_body_after_partial_earlier_lease() {
    for polled in 0..=4 {
        let replay = replay(3);
        let mut first = replay.lease();
        for _ in 0..polled {
            next(&mut first);
        }
        assert!(replay.body.revoke());
        let second = replay.lease();
        assert!(next(&mut first).is_some_and(|frame| frame.is_err()), "the first lease is revoked");
        assert!(!first.is_end_stream(), "a revoked lease has no end");
        assert_eq!(remaining(second), [1, 2, 3], "after {polled} polls of the first lease");
        assert!(replay.body.is_fully_taken());
    }
}

#[test]
fn lease_gives_whole_body_when_finished_midway() {
    for polled in 0..=4 {
        let replay = replay(3);
        remaining(replay.lease());
        let mut second = replay.lease();
        let mut given: Vec<_> =
            (0..polled).map_while(|_| next(&mut second)).flat_map(Result::unwrap).collect();
        replay.finish();
        given.extend(remaining(second));
        assert_eq!(given, [1, 2, 3], "finished after {polled} polls");
    }
}

#[test]
fn lease_body_above_cap_not_kept_for_retry() {
    for (frames, replayable) in [(1, true), (2, true), (3, false)] {
        let replay = replay(2);
        let mut lease = replay.lease();
        for _ in 0..frames {
            next(&mut lease).unwrap().unwrap();
        }
        assert_eq!(replay.body.revoke(), replayable);
        assert!(next(&mut lease).unwrap().is_err(), "the lease is revoked");
        assert!(replay.body.take_unpolled().is_none());
    }
}
