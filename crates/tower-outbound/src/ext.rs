//! Extension traits of requests and responses.

use http::{Request, Response};

use crate::error::RetryHistory;
use crate::record::{Deadline, NoPropagation, Timings, UrlTemplate};
use crate::retry::RetryOptions;
use crate::settings::{Streaming, Timeouts};

/// Sets the options of one request, which the layers read from its extensions.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use tower_outbound::RequestExt;
/// use tower_outbound::retry::RetryOptions;
/// use tower_outbound::timeouts::Timeouts;
///
/// let request = http::Request::get("http://localhost/users/7")
///     .body(String::new())
///     .unwrap()
///     .url_template("/users/{id}")
///     .timeouts(Timeouts::new().first_byte(Duration::from_secs(2)))
///     .retry(RetryOptions::off());
/// # let _ = request;
/// ```
pub trait RequestExt: Sized + sealed::Extensions {
    /// Sets the template that names the request's span and metrics: see [`UrlTemplate`].
    #[must_use]
    fn url_template(self, template: impl Into<UrlTemplate>) -> Self {
        self.with_extension(template.into())
    }

    /// Sets timeouts of this request. Unset timeouts fall back to those of the layer.
    #[must_use]
    fn timeouts(self, timeouts: Timeouts) -> Self {
        self.with_extension(timeouts)
    }

    /// Sets the deadline of this request's call: see [`Deadline`].
    #[must_use]
    fn deadline(self, deadline: Deadline) -> Self {
        self.with_extension(deadline)
    }

    /// Marks this request as one to which the peer may be silent for long, such as a watch or a long poll: see
    /// [`Streaming`].
    #[must_use]
    fn streaming(self) -> Self {
        self.with_extension(Streaming)
    }

    /// Sets retry options of this request. Unset options fall back to those of the layer.
    #[must_use]
    fn retry(self, options: RetryOptions) -> Self {
        self.with_extension(options)
    }

    /// Excludes this request from trace propagation: no trace context is written into its headers.
    #[must_use]
    fn no_propagation(self) -> Self {
        self.with_extension(NoPropagation)
    }
}

/// Reads the records that the layers put into a response's extensions.
///
/// # Example
/// ```
/// use tower_outbound::ResponseExt;
///
/// fn log<B>(response: &http::Response<B>) {
///     if let Some(timings) = response.timings() {
///         println!("{timings}");
///     }
/// }
/// ```
pub trait ResponseExt: sealed::Extensions {
    /// The duration of each phase of the attempt. They are complete at the end of the response's body.
    ///
    /// `None` if there is no observe layer.
    fn timings(&self) -> Option<&Timings> {
        self.extensions_ref().get()
    }

    /// The attempts before the last one. `None` if there was only one attempt.
    fn retry_history(&self) -> Option<&RetryHistory> {
        self.extensions_ref().get()
    }
}

impl<B> RequestExt for Request<B> {}
impl<B> ResponseExt for Response<B> {}

#[cfg(feature = "tonic")]
#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
impl<T> RequestExt for ::tonic::Request<T> {}

#[cfg(feature = "tonic")]
#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
impl<T> ResponseExt for ::tonic::Response<T> {}

#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl ResponseExt for ::reqwest::Response {}

mod sealed {
    use http::{Request, Response};

    pub trait Extensions {
        fn extensions_ref(&self) -> &http::Extensions;
        fn with_extension<T: Clone + Send + Sync + 'static>(self, extension: T) -> Self;
    }

    macro_rules! extensions {
        ($($(#[$cfg:meta])* [$($generic:ident)?] $type:ty;)+) => {$(
            $(#[$cfg])*
            impl$(<$generic>)? Extensions for $type {
                fn extensions_ref(&self) -> &http::Extensions {
                    self.extensions()
                }

                fn with_extension<T: Clone + Send + Sync + 'static>(mut self, extension: T) -> Self {
                    self.extensions_mut().insert(extension);
                    self
                }
            }
        )+};
    }

    extensions! {
        [B] Request<B>;
        [B] Response<B>;
        #[cfg(feature = "reqwest")]
        [] ::reqwest::Response;
        #[cfg(feature = "tonic")]
        [B] ::tonic::Request<B>;
        #[cfg(feature = "tonic")]
        [B] ::tonic::Response<B>;
    }
}
