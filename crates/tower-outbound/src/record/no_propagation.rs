/// In a request's extensions: observers write no trace context into its headers.
///
/// [`RequestExt::no_propagation`](crate::RequestExt::no_propagation) inserts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoPropagation;
