/// In a request's extensions: no trace context is written into its headers.
///
/// [`RequestExt::no_propagation`](crate::RequestExt::no_propagation) inserts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoPropagation;
