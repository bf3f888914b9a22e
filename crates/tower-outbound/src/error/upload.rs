//! Uploads that the observe layer ends.

use std::error::Error;
use std::fmt;

/// The attempt has ended, and the request body has not: for example, the peer refused the upload.
#[derive(Debug)]
pub(crate) struct UploadAbandoned;

impl fmt::Display for UploadAbandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the attempt has ended before its request body: the upload is given up")
    }
}

impl Error for UploadAbandoned {}

/// The request's body has panicked.
#[derive(Debug)]
pub(crate) struct UploadPanicked;

impl fmt::Display for UploadPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The panic hook has printed the message, which may contain anything.
        f.write_str("the request body panicked")
    }
}

impl Error for UploadPanicked {}
