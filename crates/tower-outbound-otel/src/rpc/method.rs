//! The names of gRPC methods, bounded.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use opentelemetry::StringValue;

use crate::semconv::{GRPC, OTHER};

/// Named methods without a list.
const FIRST: usize = 100;
/// Named methods of a list, at most.
const LISTED: usize = 250;
/// Longer names become `_OTHER`.
const LENGTH: usize = 256;

/// A method as spans and metrics name it.
#[derive(Clone, Debug)]
pub(crate) struct RpcMethod {
    place: usize,
    /// `None` is `_OTHER`.
    name: Option<Arc<str>>,
}

impl RpcMethod {
    /// Below [`RpcMethods::places`]; 0 is `_OTHER`.
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
        self.name.as_deref().map_or(Cow::Borrowed(GRPC), |name| Cow::Owned(name.to_owned()))
    }
}

/// The named methods: the first ones seen, or a list.
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

    /// One more than the number of names.
    pub(crate) fn places(&self) -> usize {
        self.limit + 1
    }

    /// The method of a request's path.
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
        // Do not take the write lock when full.
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

/// `{package.Service}/{Method}`: the last two path segments, since some servers have a path prefix.
fn logical_name(path: &str) -> Option<&str> {
    let (before, method) = path.rsplit_once('/')?;
    let (prefix, service) = before.rsplit_once('/')?;
    let name = &path[prefix.len() + 1..];
    (!service.is_empty() && !method.is_empty() && name.len() <= LENGTH).then_some(name)
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
}
