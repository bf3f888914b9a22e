//! Names for the types of a stack, so that the field of a struct can be written.

use hyper_util::client::legacy::Client;

use crate::connect::Track;
use crate::fixed_body::{MapBody, Shared};
use crate::limit::{InFlightLimit, InFlightLimitBody};
use crate::observe::{Observe, ObserveBody, ObserveRequestBody};
use crate::retry::{LeasedBody, Retry};

/// Every layer around and below hyper-util's client: `C` is the connector, such as
/// `HttpsConnector<TcpConnector>`, and `B` the body of the requests.
///
/// # Example
/// ```
/// use tower_layer::Layer;
/// use tower_outbound::connect::TcpConnector;
/// use tower_outbound::{Outbound, Stack};
///
/// #[derive(Clone)]
/// struct Inventory {
///     client: Stack<TcpConnector, String>,
/// }
///
/// let outbound = Outbound::new();
/// let client = outbound.hyper_client(outbound.http_connector());
/// let inventory = Inventory { client: outbound.layer().layer(client) };
/// # let _ = inventory.client;
/// ```
pub type Stack<C, B> = Layered<Client<Track<C>, StackBody<B>>>;

/// The body of the requests that the client in a [`Stack`] gets; `B` is the body of those that the stack gets.
pub type StackBody<B> = ObserveRequestBody<LeasedBody<B>>;

/// What [`Outbound::layer`](crate::Outbound::layer) makes of a client.
///
/// Of hyper's sender for HTTP/2, for example: `Layered<HyperService<SendRequest<StackBody<B>>>>`.
pub type Layered<S> = Retry<Observe<InFlightLimit<S>>>;

/// The body of the responses of a [`Stack`]; `R` is the client's body, such as `hyper::body::Incoming`.
pub type LayeredBody<R> = ObserveBody<InFlightLimitBody<R>>;

/// What [`Outbound::layer_with_body`](crate::Outbound::layer_with_body) makes of a service whose request body is `B`, if the
/// conversion is given as a function pointer.
///
/// # Example
/// ```
/// use bytes::Bytes;
/// use http_body_util::combinators::UnsyncBoxBody;
/// use tower_layer::Layer;
/// use tower_outbound::outbound::FixedStack;
/// use tower_outbound::{BoxError, Outbound};
///
/// type Body = UnsyncBoxBody<Bytes, BoxError>;
///
/// struct Inventory<S> {
///     client: FixedStack<S, Body>,
/// }
///
/// fn observe<S>(service: S) -> Inventory<S> {
///     let layer = Outbound::new().layer_with_body(Body::new as fn(_) -> _);
///     Inventory { client: layer.layer(service) }
/// }
/// ```
pub type FixedStack<S, B> = Layered<MapBody<Shared<S>, fn(StackBody<B>) -> B>>;
