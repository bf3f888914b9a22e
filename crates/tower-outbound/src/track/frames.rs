//! Finds a GOAWAY among the HTTP/2 frames that a connection reads.

/// The type of a GOAWAY frame (RFC 9113, section 6.8).
const GOAWAY: u8 = 7;
/// Length of a frame's head (RFC 9113, section 4.1).
const HEAD: usize = 9;

/// Walks from frame head to frame head over the bytes read, in whatever pieces they come.
#[derive(Debug, Default)]
pub(super) struct FrameWalk {
    head: [u8; HEAD],
    filled: usize,
    payload_left: usize,
}

impl FrameWalk {
    /// Whether a GOAWAY frame begins in these bytes.
    pub(super) fn sees_goaway(&mut self, mut bytes: &[u8]) -> bool {
        let mut seen = false;
        while !bytes.is_empty() {
            let skipped = self.payload_left.min(bytes.len());
            self.payload_left -= skipped;
            bytes = &bytes[skipped..];

            let taken = (HEAD - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEAD {
                let [high, mid, low, kind, ..] = self.head;
                self.payload_left = usize::from(high) << 16 | usize::from(mid) << 8 | usize::from(low);
                self.filled = 0;
                seen |= kind == GOAWAY;
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, (payload >> 8) as u8, payload as u8, kind, 0, 0, 0, 0, 1];
        frame.resize(HEAD + payload, GOAWAY);
        frame
    }

    #[test]
    fn a_goaway_is_found_wherever_the_reads_are_cut() {
        let bytes = [frame(4, 6), frame(0, 300), frame(GOAWAY, 8)].concat();
        for piece in 1..=bytes.len() {
            let mut walk = FrameWalk::default();
            let seen = bytes.chunks(piece).filter(|chunk| walk.sees_goaway(chunk)).count();
            assert_eq!(seen, 1, "in pieces of {piece}");
        }
    }

    #[test]
    fn payloads_that_look_like_a_goaway_are_none() {
        let bytes = [frame(0, 40), frame(1, 0), frame(0, 9)].concat();
        for piece in 1..=bytes.len() {
            let mut walk = FrameWalk::default();
            assert!(!bytes.chunks(piece).any(|chunk| walk.sees_goaway(chunk)), "in pieces of {piece}");
        }
    }
}
