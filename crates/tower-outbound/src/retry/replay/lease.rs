//! The conversion of a leased body into the client's body type.

use http_body::Body;

use super::LeasedBody;

/// Converts a [`LeasedBody`] into the body type that the client takes; once for each attempt.
///
/// [`PassThrough`] is the default, for clients that are generic over their body. A client with a body type of its own
/// (tonic, reqwest, kube) needs a conversion, which usually costs one box. Closures implement `Lease`:
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use http_body_util::combinators::UnsyncBoxBody;
/// use tower_outbound::retry::LeasedBody;
/// use tower_outbound::{BoxError, Outbound};
///
/// type ClientBody = UnsyncBoxBody<Bytes, BoxError>;
///
/// let layer = Outbound::new()
///     .retry_layer()
///     .lease(|body: LeasedBody<Full<Bytes>>| ClientBody::new(body));
/// # let _ = layer;
/// ```
///
/// The type of a closure cannot be written out. Implement the trait for a type of your own if the type of the
/// [`Retry`](crate::retry::Retry) service has to be named, for example in a struct field:
///
/// ```
/// use bytes::Bytes;
/// use http_body::Body;
/// use http_body_util::combinators::UnsyncBoxBody;
/// use tower_outbound::BoxError;
/// use tower_outbound::retry::{Lease, LeasedBody, Retry};
///
/// #[derive(Clone)]
/// struct Boxed;
///
/// impl<B> Lease<B> for Boxed
/// where
///     B: Body<Data = Bytes> + Send + Unpin + 'static,
///     B::Error: Into<BoxError>,
/// {
///     type Leased = UnsyncBoxBody<Bytes, BoxError>;
///
///     fn lease(&self, body: LeasedBody<B>) -> Self::Leased {
///         UnsyncBoxBody::new(body)
///     }
/// }
///
/// struct Application<S> {
///     client: Retry<S, Boxed>,
/// }
/// ```
///
/// # Implementations
/// `Lease` is implemented for every `F: Fn(LeasedBody<B>) -> T`, as `tower_http::trace::MakeSpan` is. The `Fn` traits
/// are `#[fundamental]`, so that implementations for concrete types, also in other crates, do not overlap with that
/// one. Further blanket implementations, over another trait, are not possible; none is planned.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not convert a `LeasedBody` into the client's body",
    note = "a closure names the type of its argument: `|body: tower_outbound::retry::LeasedBody<_>| ClientBody::new(body)`"
)]
pub trait Lease<B: Body> {
    /// The body type that the client takes.
    type Leased;

    /// Converts the body of one attempt.
    fn lease(&self, body: LeasedBody<B>) -> Self::Leased;
}

/// The default [`Lease`]: the client takes [`LeasedBody`] itself, without a box.
///
/// For clients that are generic over the body: hyper-util's `Client`, hyper's connections, `tower::service_fn`. The
/// clients of this crate for tonic and reqwest use `PassThrough` too, and convert below the observe layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassThrough;

impl<B: Body> Lease<B> for PassThrough {
    type Leased = LeasedBody<B>;

    fn lease(&self, body: LeasedBody<B>) -> LeasedBody<B> {
        body
    }
}

impl<B: Body, T, F: Fn(LeasedBody<B>) -> T> Lease<B> for F {
    type Leased = T;

    fn lease(&self, body: LeasedBody<B>) -> T {
        self(body)
    }
}
