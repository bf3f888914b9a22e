//! The whole of a response's body at once.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http_body::Body;

use super::ClientBody;
use crate::error::{BoxError, Error};
use crate::failure::{Failure, Kind, Phase};
use crate::record::Attempt;

impl<B> ClientBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// Reads the whole body; trailers are discarded.
    ///
    /// There is no bound on its size: put `http_body_util::Limited` around the body of a peer that you do not trust. A
    /// body of one frame is not copied.
    ///
    /// # Errors
    /// The [`Error`] of the attempt if the connection fails or a timeout elapses before the end of the body.
    ///
    /// # Cancel safety
    /// Dropping the future drops the body: see [`ClientBody`].
    ///
    /// # Example
    /// ```no_run
    /// # #[cfg(feature = "client")]
    /// # async fn run() -> Result<(), tower_outbound::Error> {
    /// let client = tower_outbound::Outbound::new().client();
    /// let bytes = client.get("https://example.com/").await?.into_body().bytes().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let Some(first) = self.next_data().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.next_data().await? else { return Ok(first) };
        let rest = usize::try_from(self.size_hint().lower()).unwrap_or_default();
        // The peer announces the size: allocate no more than 1 MiB before its bytes arrive.
        let mut all = BytesMut::with_capacity(first.len() + second.len() + rest.min(1 << 20));
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(data) = self.next_data().await? {
            all.extend_from_slice(&data);
        }
        Ok(all.freeze())
    }

    /// Reads the whole body as UTF-8.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes). [`Kind::InvalidResponse`] in phase body, with a [`Utf8Error`](std::str::Utf8Error) as
    /// source, if the body is not UTF-8.
    ///
    /// # Cancel safety
    /// Dropping the future drops the body: see [`ClientBody`].
    pub async fn text(self) -> Result<String, Error> {
        let attempt = self.attempt();
        let bytes = Vec::from(self.bytes().await?);
        String::from_utf8(bytes).map_err(|error| undecodable(attempt, error.utf8_error().into()))
    }

    /// Reads the whole body as JSON.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes). [`Kind::InvalidResponse`] in phase body, with `serde_json::Error` as source, if the
    /// body is not JSON or not a `T`.
    ///
    /// # Cancel safety
    /// Dropping the future drops the body: see [`ClientBody`].
    ///
    /// # Example
    /// ```no_run
    /// # #[cfg(feature = "client")]
    /// # async fn run() -> Result<(), tower_outbound::Error> {
    /// use std::collections::HashMap;
    ///
    /// let client = tower_outbound::Outbound::new().client();
    /// let response = client.get("https://example.com/prices").await?;
    /// let prices: HashMap<String, f64> = response.into_body().json().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    pub async fn json<T: serde::de::DeserializeOwned>(self) -> Result<T, Error> {
        let attempt = self.attempt();
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| undecodable(attempt, error.into()))
    }

    async fn next_data(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    fn attempt(&self) -> Option<Attempt> {
        self.observed().map(|body| body.attempt().clone())
    }
}

/// The attempt succeeded: its end was reported before the body was decoded.
fn undecodable(attempt: Option<Attempt>, error: BoxError) -> Error {
    let failure = Failure::new(Kind::InvalidResponse).with_phase(Phase::Body);
    let failure = match &attempt {
        Some(attempt) => attempt.attribute(failure),
        None => failure,
    };
    Error::new(failure, attempt, error)
}
