use tower_layer::Layer;

use super::{CollectBody, MapBody, Shared};

/// Converts each request's body to the type that a service takes, and shares the service among clones.
///
/// Put it directly around the service, below the layers of this crate. The service need not be `Clone`: see [`Shared`].
///
/// # Example
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use http_body_util::combinators::UnsyncBoxBody;
/// use tower::util::BoxService;
/// use tower::ServiceBuilder;
/// use tower_outbound::fixed_body::FixedBodyLayer;
/// use tower_outbound::{BoxError, Outbound};
///
/// // A service as a library gives it away: its body has one type, and it is not `Clone`.
/// type Body = UnsyncBoxBody<Bytes, BoxError>;
/// type Made = BoxService<Request<Body>, Response<Full<Bytes>>, BoxError>;
///
/// fn observed(service: Made) -> impl tower::Service<Request<Body>> {
///     ServiceBuilder::new()
///         .layer(Outbound::new().observe_layer())
///         .layer(FixedBodyLayer::new(Body::new))
///         .service(service)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FixedBodyLayer<C> {
    conversion: C,
}

/// Boxes the body, or converts it in another way: see [`FixedBodyLayer::new`].
#[derive(Clone, Copy, Debug)]
pub struct Map<M>(M);

/// Reads the body whole: see [`FixedBodyLayer::collect`].
#[derive(Clone, Copy, Debug)]
pub struct Collect<M>(M);

impl<M> FixedBodyLayer<Map<M>> {
    /// Converts with a function `Fn(Q) -> B`, such as `tonic::body::Body::new`: usually one box for each attempt.
    ///
    /// `Q` is the body below the layers above this one: see [`StackBody`](crate::StackBody).
    pub const fn new(convert: M) -> Self {
        Self { conversion: Map(convert) }
    }
}

impl<M> FixedBodyLayer<Collect<M>> {
    /// For a body that is made of bytes only: reads the whole request body into memory, then converts with a function
    /// `Fn(Bytes) -> B`, such as `kube::client::Body::from`. A body of one frame is not copied; trailers are dropped.
    ///
    /// The client below polls another body than the layers above have seen. So a failed attempt has no
    /// [send state](crate::docs::failures#the-send-state), unless its error proves one, as that of a failed connect does.
    pub const fn collect(convert: M) -> Self {
        Self { conversion: Collect(convert) }
    }
}

impl<S, M: Clone> Layer<S> for FixedBodyLayer<Map<M>> {
    type Service = MapBody<Shared<S>, M>;

    fn layer(&self, inner: S) -> Self::Service {
        MapBody::new(Shared::new(inner), self.conversion.0.clone())
    }
}

impl<S, M: Clone> Layer<S> for FixedBodyLayer<Collect<M>> {
    type Service = CollectBody<Shared<S>, M>;

    fn layer(&self, inner: S) -> Self::Service {
        CollectBody::new(Shared::new(inner), self.conversion.0.clone())
    }
}
