//! The origins of a registry.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::Origin;
use super::origin::OriginParts;

/// Up to this many, origins stay without being in use.
const KEPT: usize = 1024;

/// One record per origin. Beyond [`KEPT`], records that are not in use are removed.
#[derive(Debug)]
pub(super) struct Origins {
    table: HashTable<Origin>,
    /// At this length, the next insert looks for records that are not in use.
    sweep_at: usize,
    /// The records that were looked at for that.
    #[cfg(test)]
    swept: usize,
}

impl Default for Origins {
    fn default() -> Self {
        Self {
            table: HashTable::default(),
            sweep_at: KEPT,
            #[cfg(test)]
            swept: 0,
        }
    }
}

impl Origins {
    pub(super) fn find(&self, hash: u64, parts: OriginParts<'_>) -> Option<&Origin> {
        self.table.find(hash, |origin| origin.parts() == parts)
    }

    pub(super) fn find_or_insert(
        &mut self,
        hash: u64,
        parts: OriginParts<'_>,
        hasher: &DefaultHashBuilder,
    ) -> Origin {
        if let Some(origin) = self.find(hash, parts) {
            return origin.clone();
        }
        if self.table.len() >= self.sweep_at {
            self.sweep();
        }
        let origin = Origin::new(parts);
        self.table.insert_unique(hash, origin.clone(), |origin| hasher.hash_one(origin.parts()));
        origin
    }

    /// Looks at every record, so the next time is when their number has doubled: an insert looks at two on average.
    fn sweep(&mut self) {
        #[cfg(test)]
        {
            self.swept += self.table.len();
        }
        self.table.retain(|origin| origin.is_shared());
        self.sweep_at = KEPT.max(2 * self.table.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gets the record of an origin of its own for each port.
    fn origin(origins: &mut Origins, hasher: &DefaultHashBuilder, port: u32) -> Origin {
        let host = format!("{port}.example");
        let parts = OriginParts { scheme: "http", host: &host, port: 80 };
        origins.find_or_insert(hasher.hash_one(parts), parts, hasher)
    }

    #[test]
    fn origins_unused_are_bounded_and_used_stay() {
        let (mut origins, hasher) = (Origins::default(), DefaultHashBuilder::default());
        let kept = origin(&mut origins, &hasher, 0);
        for port in 1..10_000 {
            origin(&mut origins, &hasher, port);
            assert!(origins.table.len() <= KEPT);
        }
        assert!(kept.is_shared(), "an origin in use stays");
    }

    #[test]
    fn origins_new_one_beside_40000_looks_at_two() {
        let (mut origins, hasher) = (Origins::default(), DefaultHashBuilder::default());
        let in_use: Vec<_> = (0..40_000).map(|port| origin(&mut origins, &hasher, port)).collect();
        assert!(origins.swept <= 2 * in_use.len(), "{} for 40,000", origins.swept);
        // Those that are not used again do not count as in use.
        let before = origins.swept;
        for port in 40_000..140_000 {
            origin(&mut origins, &hasher, port);
        }
        let each = (origins.swept - before) as f64 / 100_000.0;
        assert!(each <= 2.0, "{each} for each new origin");
        assert!(origins.table.len() <= 2 * in_use.len(), "{}", origins.table.len());
        drop(in_use);
        for port in 140_000..240_000 {
            origin(&mut origins, &hasher, port);
        }
        assert!(origins.table.len() <= KEPT, "{}", origins.table.len());
    }
}
