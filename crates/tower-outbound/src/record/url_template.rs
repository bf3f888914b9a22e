//! The low-cardinality name of a request's target.

use std::fmt;
use std::sync::Arc;

/// Names the span and the metrics of a request: put it into the request's extensions, or call
/// [`RequestExt::url_template`](crate::RequestExt::url_template).
///
/// The template must have low cardinality (`"/users/{id}"`). The path itself is never used as a name. A template made at
/// run time is a shared string: a clone increments a reference count.
/// Source: OpenTelemetry semantic conventions, `url.template`.
///
/// # Example
/// ```
/// use tower_outbound::{RequestExt, UrlTemplate};
///
/// let request = http::Request::get("http://localhost/users/7").body(()).unwrap();
/// let request = request.url_template("/users/{id}");
/// // At run time, for example from a router.
/// let template = UrlTemplate::from(format!("/{}/{{id}}", "orders"));
/// assert_eq!(template.as_str(), "/orders/{id}");
/// # let _ = request;
/// ```
#[derive(Clone)]
pub struct UrlTemplate(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl UrlTemplate {
    /// A template that is known at compile time.
    #[must_use]
    pub const fn from_static(template: &'static str) -> Self {
        Self(Text::Static(template))
    }

    /// The template, if it was known at compile time.
    #[must_use]
    pub const fn as_static(&self) -> Option<&'static str> {
        match self.0 {
            Text::Static(text) => Some(text),
            Text::Shared(_) => None,
        }
    }

    /// The template.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl From<&'static str> for UrlTemplate {
    fn from(template: &'static str) -> Self {
        Self::from_static(template)
    }
}

impl From<String> for UrlTemplate {
    fn from(template: String) -> Self {
        Self(Text::Shared(template.into()))
    }
}

impl From<Arc<str>> for UrlTemplate {
    fn from(template: Arc<str>) -> Self {
        Self(Text::Shared(template))
    }
}

/// Without a copy, unless it is [static](UrlTemplate::as_static).
impl From<UrlTemplate> for Arc<str> {
    fn from(template: UrlTemplate) -> Self {
        match template.0 {
            Text::Static(text) => text.into(),
            Text::Shared(text) => text,
        }
    }
}

impl PartialEq for UrlTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for UrlTemplate {}

impl std::hash::Hash for UrlTemplate {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlTemplate({:?})", self.as_str())
    }
}
