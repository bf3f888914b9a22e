//! An upload that outlives its attempt.

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
