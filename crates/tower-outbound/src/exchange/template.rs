//! The low-cardinality name of a request's target.

/// Names the span and the metrics of a request: put it into the request's extensions.
///
/// It must have low cardinality (`"/users/{id}"`); the path itself is never used as a name.
/// Source: OpenTelemetry semantic conventions, `url.template`.
///
/// # Example
/// ```
/// # use tower_outbound::UrlTemplate;
/// let mut request = http::Request::get("http://localhost/users/7").body(()).unwrap();
/// request.extensions_mut().insert(UrlTemplate("/users/{id}"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UrlTemplate(pub &'static str);
