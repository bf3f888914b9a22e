/// Defines the future of a client: an opaque newtype of the stack's future, whose response has a
/// [`ClientBody`](super::ClientBody).
macro_rules! client_future {
    ($(#[$attribute:meta])* pub struct $name:ident($pending:ty) -> $body:ty;) => {
        $(#[$attribute])*
        #[must_use = "futures do nothing unless polled"]
        pub struct $name($pending);

        impl $name {
            pub(super) fn new(pending: $pending) -> Self {
                Self(pending)
            }
        }

        impl std::future::Future for $name {
            type Output = Result<http::Response<$body>, $crate::Error>;

            fn poll(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Self::Output> {
                let polled = std::pin::Pin::new(&mut self.0).poll(cx);
                polled.map_ok(|response| response.map($crate::client::ClientBody::new))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

pub(crate) use client_future;
