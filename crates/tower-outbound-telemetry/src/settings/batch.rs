//! Batches of spans.

use std::time::Duration;

use super::reader::{MAX, Reader};

/// Memory is reserved at the start.
const LARGEST_QUEUE: u32 = 1_000_000;
const SIZE: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Never zero.
    pub(crate) delay: Duration,
    /// The timeout of one export. The exporter's own may be shorter.
    pub(crate) timeout: Duration,
    /// At least one.
    pub(crate) queue: usize,
    /// At least one, at most the queue.
    pub(crate) size: usize,
}

impl Reader<'_> {
    pub(super) fn batch(&mut self) -> Batch {
        let delay = self.interval("OTEL_BSP_SCHEDULE_DELAY", 5_000);
        let timeout = self.timeout(&["OTEL_BSP_EXPORT_TIMEOUT"], 30_000);
        let queue = self.number(&["OTEL_BSP_MAX_QUEUE_SIZE"], 2_048, 1..=LARGEST_QUEUE);
        let size = self.number(&[SIZE], queue.min(512), 1..=MAX);
        if size > queue {
            self.warn(SIZE, &size.to_string(), queue.to_string());
        }
        Batch { delay, timeout, queue: queue as usize, size: size.min(queue) as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{resolve, warned};
    use super::*;

    const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";

    #[test]
    fn batch_variables_are_applied() {
        let settings = resolve(&[
            ("OTEL_BSP_SCHEDULE_DELAY", "1"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "2"),
            (QUEUE, "1000000"),
            (SIZE, " 4 "),
        ]);
        let (delay, timeout) = (Duration::from_millis(1), Duration::from_millis(2));
        assert_eq!(settings.batch, Batch { delay, timeout, queue: 1_000_000, size: 4 });
        assert_eq!(warned(&settings), vec![]);
    }

    #[test]
    fn batch_size_capped_at_queue_size() {
        let settings = resolve(&[(QUEUE, "100"), (SIZE, "101")]);
        assert_eq!((settings.batch.queue, settings.batch.size), (100, 100));
        assert_eq!(warned(&settings), [(SIZE, "101", "100")]);
        let settings = resolve(&[(QUEUE, "100")]);
        assert_eq!((settings.batch.queue, settings.batch.size), (100, 100));
        assert_eq!(warned(&settings), vec![]);
    }

    #[test]
    fn batch_zero_refused_except_for_timeout() {
        for (key, value, used) in [
            ("OTEL_BSP_SCHEDULE_DELAY", "0", "5000"),
            (QUEUE, "0", "2048"),
            (QUEUE, "1000001", "2048"),
            (SIZE, "0", "512"),
        ] {
            assert_eq!(warned(&resolve(&[(key, value)])), [(key, value, used)]);
        }
        let settings = resolve(&[("OTEL_BSP_EXPORT_TIMEOUT", "0")]);
        assert_eq!(settings.batch.timeout, Duration::from_millis(2_147_483_647));
        assert_eq!(warned(&settings), vec![]);
    }
}
