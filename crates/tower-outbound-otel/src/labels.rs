//! Bounded values of metric attributes: hosts and schemes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::StringValue;
use tower_outbound::{Origin, UrlTemplate};

use crate::semconv::OTHER;
use crate::target::Target;

/// A `url.template` as a value. Does not copy the text.
pub(crate) fn template(template: &UrlTemplate) -> opentelemetry::Value {
    match template.as_static() {
        Some(text) => text.into(),
        None => StringValue::from(Arc::<str>::from(template.clone())).into(),
    }
}

/// Default number of pairs of host and port with series of their own.
const HOSTS: usize = 100;

/// Which hosts have series of their own in the metrics. Others are recorded as `_OTHER` with port 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hosts {
    /// The first pairs of host and port seen, up to this number.
    First(usize),
    /// These hosts, as `host` (all ports, up to 100 pairs in total) or `host:port`.
    Listed(Vec<String>),
}

impl Default for Hosts {
    fn default() -> Self {
        Self::First(HOSTS)
    }
}

/// The pairs admitted so far.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    rule: Hosts,
    admitted: Mutex<HashSet<(Arc<str>, u16)>>,
}

/// An origin's labels.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) address: StringValue,
    pub(crate) port: i64,
    pub(crate) scheme: &'static str,
}

impl Admission {
    pub(crate) fn new(rule: Hosts) -> Self {
        Self { rule, admitted: Mutex::default() }
    }

    pub(crate) fn labels(&self, origin: &Origin) -> Labels {
        let scheme = match origin.scheme() {
            "http" => "http",
            "https" => "https",
            _ => OTHER,
        };
        if self.admits(origin) {
            Labels { address: origin.host_shared().into(), port: i64::from(origin.port()), scheme }
        } else {
            Labels { address: OTHER.into(), port: 0, scheme }
        }
    }

    fn admits(&self, origin: &Origin) -> bool {
        let limit = match &self.rule {
            Hosts::First(limit) => *limit,
            Hosts::Listed(list) if Target::from(origin).is_in(list) => HOSTS.max(list.len()),
            Hosts::Listed(_) => return false,
        };
        let pair = (origin.host_shared(), origin.port());
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        admitted.contains(&pair) || (admitted.len() < limit && admitted.insert(pair))
    }
}
