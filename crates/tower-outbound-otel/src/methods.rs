//! The known methods. Others are recorded as `_OTHER`.

use std::borrow::Cow;

use http::Method;

use crate::semconv::OTHER;

/// Replaces the convention's list: case-sensitive methods, separated by commas.
pub(crate) const VARIABLE: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";

const CONVENTION: [&str; 10] =
    ["GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY"];

/// A method's index in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodId(u8);

const UNKNOWN: MethodId = MethodId(u8::MAX);

#[derive(Debug)]
pub(crate) struct Methods {
    known: Vec<Cow<'static, str>>,
}

impl Methods {
    /// The variable's list, or the convention's. An empty value counts as unset, as the specification requires.
    pub(crate) fn from_variable(value: Option<&str>) -> Self {
        match value.map(|list| Self::listed(list.split(','))) {
            Some(listed) if !listed.known.is_empty() => listed,
            _ => Self { known: CONVENTION.map(Cow::Borrowed).into() },
        }
    }

    pub(crate) fn listed<'a>(methods: impl IntoIterator<Item = &'a str>) -> Self {
        let methods = methods.into_iter().map(str::trim).filter(|method| !method.is_empty());
        let known = methods.map(|method| match CONVENTION.into_iter().find(|known| *known == method) {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(method.to_owned()),
        });
        Self { known: known.take(usize::from(UNKNOWN.0)).collect() }
    }

    pub(crate) fn id(&self, method: &Method) -> MethodId {
        let at = self.known.iter().position(|known| known == method.as_str());
        at.and_then(|at| u8::try_from(at).ok()).map_or(UNKNOWN, MethodId)
    }

    pub(crate) fn is_known(&self, id: MethodId) -> bool {
        id != UNKNOWN
    }

    /// The value of `http.request.method`.
    pub(crate) fn label(&self, id: MethodId) -> Cow<'static, str> {
        self.known.get(usize::from(id.0)).cloned().unwrap_or(Cow::Borrowed(OTHER))
    }

    /// The method's part of a span name.
    pub(crate) fn span_name(&self, id: MethodId) -> Cow<'static, str> {
        self.known.get(usize::from(id.0)).cloned().unwrap_or(Cow::Borrowed("HTTP"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(methods: &Methods, method: &str) -> String {
        methods.label(methods.id(&Method::from_bytes(method.as_bytes()).unwrap())).into_owned()
    }

    #[test]
    fn known_methods_default_case_sensitive_with_query() {
        let methods = Methods::from_variable(None);
        assert_eq!(label(&methods, "GET"), "GET");
        assert_eq!(label(&methods, "QUERY"), "QUERY");
        assert_eq!(label(&methods, "get"), "_OTHER");
        assert_eq!(label(&methods, "PROPFIND"), "_OTHER");
    }

    #[test]
    fn known_methods_variable_replaces_default_list() {
        let methods = Methods::from_variable(Some("GET, PROPFIND,,"));
        assert_eq!(label(&methods, "PROPFIND"), "PROPFIND");
        assert_eq!(label(&methods, "GET"), "GET");
        assert_eq!(label(&methods, "POST"), "_OTHER");
    }

    #[test]
    fn known_methods_empty_variable_uses_default_list() {
        for empty in ["", " ", ","] {
            assert_eq!(label(&Methods::from_variable(Some(empty)), "GET"), "GET", "{empty:?}");
        }
    }
}
