//! When the newest streams were opened, where it is not known whose they are.

use tokio::time::Instant;

/// For how many of the newest streams the time of opening is kept.
const RECENT: usize = 64;

/// When the newest streams of a connection were opened.
#[derive(Debug, Default)]
pub(super) struct OpenedStreams {
    /// Sequence number and time, a ring.
    recent: Vec<(u64, Instant)>,
    next: usize,
}

impl OpenedStreams {
    pub(super) fn push(&mut self, sequence: u64, at: Instant) {
        match self.recent.get_mut(self.next) {
            Some(oldest) => *oldest = (sequence, at),
            None => self.recent.push((sequence, at)),
        }
        self.next = (self.next + 1) % RECENT;
    }

    /// When the first stream after this sequence number was opened; `None` if there is none, or it is too long ago.
    pub(super) fn first_since(&self, sequence: u64) -> Option<Instant> {
        let after = self.recent.iter().filter(|(opened, _)| *opened > sequence);
        let first = after.min_by_key(|(opened, _)| *opened)?.1;
        // Where the ring begins after the number, an earlier stream may be missing.
        let complete =
            self.recent.len() < RECENT || self.recent.iter().any(|(opened, _)| *opened <= sequence);
        complete.then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn opened_streams_first_since_known_for_64() {
        let (mut opened, start) = (OpenedStreams::default(), Instant::now());
        let at = |sequence| start + Duration::from_secs(sequence);
        assert_eq!(opened.first_since(0), None);
        for sequence in 10..100 {
            opened.push(sequence, at(sequence));
            assert_eq!(opened.first_since(sequence - 1), Some(at(sequence)));
            assert_eq!(opened.first_since(sequence), None);
        }
        assert_eq!(opened.first_since(36), Some(at(37)));
        assert_eq!(opened.first_since(35), None, "stream 36 is not known any more");
    }
}
