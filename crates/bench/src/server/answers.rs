//! Responses that are written as they are.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::load::{BIG, json};

const KIB: usize = 1 << 10;
const CHUNKS: usize = 64;

/// Whole responses of HTTP/1.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    /// A JSON document of 1 KiB.
    pub(super) one: Bytes,
    /// The same, and the connection ends.
    pub(super) last: Bytes,
    /// 64 chunks of 1 KiB.
    pub(super) frames: Bytes,
    /// 3 MiB.
    pub(super) big: Bytes,
}

impl Answers {
    pub(super) fn new() -> Self {
        let body = json(KIB);
        let body = std::str::from_utf8(&body).expect("JSON is text");
        let mut chunks = String::new();
        for _ in 0..CHUNKS {
            let _ = write!(chunks, "{KIB:x}\r\n{}\r\n", "x".repeat(KIB));
        }
        chunks.push_str("0\r\n\r\n");
        let length = format!("content-length: {KIB}\r\n");
        Self {
            one: response(&length, body),
            last: response(&format!("connection: close\r\n{length}"), body),
            big: response(&format!("content-length: {BIG}\r\n"), &"x".repeat(BIG)),
            frames: response("transfer-encoding: chunked\r\n", &chunks),
        }
    }
}

fn response(headers: &str, body: &str) -> Bytes {
    format!(
        "HTTP/1.1 200 OK\r\n{headers}content-type: application/json\r\n\
         date: Tue, 01 Jan 2030 00:00:00 GMT\r\n\r\n{body}"
    )
    .into()
}
