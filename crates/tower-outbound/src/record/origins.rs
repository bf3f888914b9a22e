//! The origins of a registry.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use http::Uri;

use super::Origin;
use super::origin::OriginParts;

/// Up to this many, origins stay without being in use.
const KEPT: usize = 1024;

/// Origins that are found by a look at the URI's authority.
const SLOTS: usize = 64;

/// One record per origin. Beyond [`KEPT`], records that are not in use are removed.
#[derive(Debug)]
pub(super) struct Origins {
    table: HashTable<Origin>,
    /// By the slot of an authority. The first one keeps its slot until the next sweep.
    slots: [Option<Origin>; SLOTS],
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
            slots: [const { None }; SLOTS],
            sweep_at: KEPT,
            #[cfg(test)]
            swept: 0,
        }
    }
}

/// The slot of a URI's authority: by its length and its end, which has the port.
fn slot(uri: &Uri) -> usize {
    let authority = uri.authority().map_or(&[][..], |authority| authority.as_str().as_bytes());
    let end =
        authority.iter().rev().take(4).fold(authority.len(), |slot, byte| slot * 31 + usize::from(*byte));
    end % SLOTS
}

impl Origins {
    /// Without a look at the parts of the URI, if it has the same text as the one that the record was made for.
    pub(super) fn recall(&self, uri: &Uri) -> Option<&Origin> {
        self.slots[slot(uri)].as_ref().filter(|origin| origin.is_named_by(uri))
    }

    /// `uri` names the origin.
    pub(super) fn find_or_insert_named(
        &mut self,
        hash: u64,
        parts: OriginParts<'_>,
        hasher: &DefaultHashBuilder,
        uri: Option<&Uri>,
    ) -> Origin {
        if let Some(origin) = self.find(hash, parts) {
            return origin.clone();
        }
        if self.table.len() >= self.sweep_at {
            self.sweep();
        }
        let origin = Origin::named(parts, uri);
        self.table.insert_unique(hash, origin.clone(), |origin| hasher.hash_one(origin.parts()));
        if let Some(uri) = uri.filter(|uri| origin.is_named_by(uri)) {
            self.slots[slot(uri)].get_or_insert_with(|| origin.clone());
        }
        origin
    }

    pub(super) fn find(&self, hash: u64, parts: OriginParts<'_>) -> Option<&Origin> {
        self.table.find(hash, |origin| origin.parts() == parts)
    }

    #[cfg(test)]
    pub(super) fn find_or_insert(
        &mut self,
        hash: u64,
        parts: OriginParts<'_>,
        hasher: &DefaultHashBuilder,
    ) -> Origin {
        self.find_or_insert_named(hash, parts, hasher, None)
    }

    /// Looks at every record, so the next time is when their number has doubled: an insert looks at two on average.
    fn sweep(&mut self) {
        #[cfg(test)]
        {
            self.swept += self.table.len();
        }
        self.slots = [const { None }; SLOTS];
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
