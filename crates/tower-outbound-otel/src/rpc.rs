//! gRPC: the methods' names, bounded, and what an RPC has come to.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use http::StatusCode;
use opentelemetry::StringValue;
use tower_outbound::{Attempt, Kind, Outcome};

use crate::attempt_span::is_error;
use crate::names::OTHER;

/// The value of `rpc.system.name`.
pub(crate) const SYSTEM: &str = "grpc";

/// Methods with names of their own, unless they are listed, and at most so many where they are.
const FIRST: usize = 100;
const LISTED: usize = 250;
/// What is longer names nothing.
const LENGTH: usize = 256;

/// A method as spans and metrics name it.
#[derive(Clone, Debug)]
pub(crate) struct RpcMethod {
    place: usize,
    /// `None` is `_OTHER`.
    name: Option<Arc<str>>,
}

impl RpcMethod {
    /// Below [`RpcMethods::places`]; 0 is that of all which have no name of their own.
    pub(crate) fn place(&self) -> usize {
        self.place
    }

    pub(crate) fn is_known(&self) -> bool {
        self.name.is_some()
    }

    /// The value of `rpc.method`.
    pub(crate) fn label(&self) -> StringValue {
        self.name.clone().map_or(StringValue::from(OTHER), StringValue::from)
    }

    pub(crate) fn span_name(&self) -> Cow<'static, str> {
        self.name.as_deref().map_or(Cow::Borrowed(SYSTEM), |name| Cow::Owned(name.to_owned()))
    }
}

/// The methods that have names of their own: the first ones that are seen, or those of a list.
#[derive(Debug)]
pub(crate) struct RpcMethods {
    limit: usize,
    places: RwLock<HashMap<Arc<str>, usize>>,
}

impl RpcMethods {
    pub(crate) fn first() -> Self {
        Self { limit: FIRST, places: RwLock::default() }
    }

    pub(crate) fn listed<'a>(methods: impl IntoIterator<Item = &'a str>) -> Self {
        let mut places = HashMap::new();
        for method in methods.into_iter().map(|method| method.trim().trim_start_matches('/')) {
            if !method.is_empty() && places.len() < LISTED && !places.contains_key(method) {
                places.insert(Arc::from(method), places.len() + 1);
            }
        }
        Self { limit: places.len(), places: RwLock::new(places) }
    }

    /// How many places there are: one more than names.
    pub(crate) fn places(&self) -> usize {
        self.limit + 1
    }

    /// The method that a request's path names.
    pub(crate) fn of(&self, path: &str) -> RpcMethod {
        let named = logical_name(path).and_then(|name| self.known(name).or_else(|| self.admit(name)));
        match named {
            Some((name, place)) => RpcMethod { place, name: Some(name) },
            None => RpcMethod { place: 0, name: None },
        }
    }

    fn known(&self, name: &str) -> Option<(Arc<str>, usize)> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        places.get_key_value(name).map(|(name, place)| (Arc::clone(name), *place))
    }

    fn admit(&self, name: &str) -> Option<(Arc<str>, usize)> {
        // Once it is full, nobody waits to write.
        if self.places.read().unwrap_or_else(PoisonError::into_inner).len() >= self.limit {
            return None;
        }
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, place)) = places.get_key_value(name) {
            return Some((Arc::clone(name), *place));
        }
        let place = places.len() + 1;
        (place <= self.limit).then(|| {
            let name: Arc<str> = name.into();
            places.insert(Arc::clone(&name), place);
            (name, place)
        })
    }
}

/// `{package.Service}/{Method}`: the path's last two segments, since some servers are below a prefix.
fn logical_name(path: &str) -> Option<&str> {
    let (before, method) = path.rsplit_once('/')?;
    let (prefix, service) = before.rsplit_once('/')?;
    let name = &path[prefix.len() + 1..];
    (!service.is_empty() && !method.is_empty() && name.len() <= LENGTH).then_some(name)
}

/// The names of gRPC's codes, by code.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
const OK: u8 = 0;
const CANCELLED: u8 = 1;
const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
const PERMISSION_DENIED: u8 = 7;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const UNAUTHENTICATED: u8 = 16;

/// What an RPC has come to: the peer's status or, where there is none, what gRPC's documents have a client make of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RpcEnd {
    code: u8,
    error: Fault,
}

/// What `error.type` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    None,
    Code,
    Kind(Kind),
    Http(StatusCode),
}

impl RpcEnd {
    /// `None` for what is not gRPC.
    pub(crate) fn of(attempt: &Attempt, outcome: &Outcome) -> Option<Self> {
        if !attempt.is_grpc() {
            return None;
        }
        let answered = attempt.grpc_status().and_then(|code| u8::try_from(code).ok());
        let refused = answered.filter(|code| *code != OK);
        let http = attempt.status().filter(|status| is_error(*status));
        let (code, error) = match (outcome, refused, http) {
            (Outcome::Failed(failure), ..) => (code_of(failure.kind()), Fault::Kind(failure.kind())),
            (_, Some(code), _) => (code, Fault::Code),
            (_, None, Some(status)) => (code_of_http(status), Fault::Http(status)),
            // The caller's own doing, and no error, as for HTTP.
            (Outcome::Cancelled { .. }, ..) => (CANCELLED, Fault::None),
            _ if answered.is_some() => (OK, Fault::None),
            // An answer without a status, or with one that is no code.
            _ => (UNKNOWN, Fault::Code),
        };
        Some(Self { code, error })
    }

    pub(crate) fn is_error(self) -> bool {
        self.error != Fault::None
    }

    /// The value of `rpc.response.status_code`.
    pub(crate) fn code(self) -> &'static str {
        CODES.get(usize::from(self.code)).copied().unwrap_or("UNKNOWN")
    }

    /// The value of `error.type`.
    pub(crate) fn error_type(self) -> Option<Cow<'static, str>> {
        Some(match self.error {
            Fault::None => return None,
            Fault::Code => self.code().into(),
            Fault::Kind(kind) => kind.as_str().into(),
            Fault::Http(status) => status.as_str().to_owned().into(),
        })
    }
}

/// gRPC's `statuscodes.md` and the codes that `PROTOCOL-HTTP2.md` gives for errors of HTTP/2.
fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::DeadlineExceeded | Kind::WriteTimeout | Kind::ResponseTimeout | Kind::BodyTimeout => {
            DEADLINE_EXCEEDED
        }
        Kind::PoolTimeout | Kind::QueueFull | Kind::LimitExceeded => RESOURCE_EXHAUSTED,
        Kind::InvalidRequest
        | Kind::RequestBody
        | Kind::Protocol
        | Kind::InvalidResponse
        | Kind::StreamReset => INTERNAL,
        Kind::Other => UNKNOWN,
        _ => UNAVAILABLE,
    }
}

/// gRPC's `http-grpc-status-mapping.md`.
fn code_of_http(status: StatusCode) -> u8 {
    match status.as_u16() {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(methods: &RpcMethods, path: &str) -> String {
        methods.of(path).label().as_str().to_owned()
    }

    #[test]
    fn rpc_method_is_last_two_path_segments() {
        let methods = RpcMethods::first();
        assert_eq!(label(&methods, "/shop.Orders/Create"), "shop.Orders/Create");
        assert_eq!(label(&methods, "/behind/a/prefix/shop.Orders/Create"), "shop.Orders/Create");
        for path in ["", "/", "*", "/shop.Orders", "/shop.Orders/", "//Create", "shop.Orders/Create"] {
            assert_eq!(label(&methods, path), "_OTHER", "{path:?}");
        }
        assert_eq!(label(&methods, &format!("/s/{}", "m".repeat(LENGTH))), "_OTHER");
        assert_eq!(methods.of("/").span_name(), "grpc");
    }

    #[test]
    fn rpc_methods_first_hundred_keep_name_and_place() {
        let methods = RpcMethods::first();
        let places: Vec<_> = (0..1000).map(|at| methods.of(&format!("/s/m{at}")).place()).collect();
        assert_eq!(places[..100], (1..=100).collect::<Vec<_>>());
        assert!(places[100..].iter().all(|place| *place == 0));
        assert_eq!(
            (label(&methods, "/s/m99"), label(&methods, "/s/m100")),
            ("s/m99".into(), "_OTHER".into())
        );
        assert_eq!(methods.of("/s/m7").place(), 8);
    }

    #[test]
    fn rpc_methods_listed_are_only_names() {
        let methods = RpcMethods::listed(["/s/a", "s/b ", "", "s/a"]);
        assert_eq!((methods.of("/s/a").place(), methods.of("/s/b").place(), methods.places()), (1, 2, 3));
        assert_eq!(label(&methods, "/s/c"), "_OTHER");
        let long: Vec<_> = (0..1000).map(|at| format!("s/{at}")).collect();
        assert_eq!(RpcMethods::listed(long.iter().map(String::as_str)).places(), 251);
    }

    #[test]
    fn rpc_status_code_exists_for_every_failure_kind() {
        for kind in Kind::ALL {
            assert!(code_of(*kind) > CANCELLED && usize::from(code_of(*kind)) < CODES.len(), "{kind}");
        }
        assert_eq!(code_of(Kind::ConnectionRefused), UNAVAILABLE);
    }
}
