//! Compression of requests, and decompression of answers.

use std::io::{self, Read, Write as _};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::HeaderValue;

use super::answer::LARGEST;
use crate::settings::Compression;

/// What this crate understands in an answer.
pub(super) const ACCEPTED: &str = if cfg!(feature = "zstd") { "gzip,zstd" } else { "gzip" };

impl Compression {
    /// The value of `content-encoding` and `grpc-encoding`.
    pub(super) fn encoding(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        })
    }

    /// Appends to `out`. At the fast level: gzip's default takes three times as long for a tenth less.
    pub(super) fn compress(self, message: &[u8], out: Vec<u8>) -> Vec<u8> {
        let compressed = match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, flate2::Compression::fast());
                encoder.write_all(message).and_then(|()| encoder.finish())
            }
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::bulk::compress(message, 1).map(|compressed| [out, compressed].concat()),
        };
        compressed.expect("memory takes everything")
    }
}

/// At most [`LARGEST`] bytes.
pub(super) fn decompressed(encoding: &[u8], body: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let decoder: Box<dyn Read + '_> = match encoding {
        b"gzip" => Box::new(GzDecoder::new(body)),
        #[cfg(feature = "zstd")]
        b"zstd" => Box::new(zstd::stream::read::Decoder::with_buffer(body)?),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    decoder.take(LARGEST as u64).read_to_end(&mut plain)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_undone_and_answer_bounded() {
        let all = [
            Compression::Gzip,
            #[cfg(feature = "zstd")]
            Compression::Zstd,
        ];
        for compression in all {
            let encoding = compression.encoding();
            let compressed = compression.compress(b"a span", b"head".to_vec());
            assert_eq!(decompressed(encoding.as_bytes(), &compressed[4..]).unwrap(), b"a span");
            assert!(ACCEPTED.contains(encoding.to_str().unwrap()));
            let bomb = compression.compress(&vec![0; 100 * LARGEST], Vec::new());
            assert_eq!(decompressed(encoding.as_bytes(), &bomb).unwrap().len(), LARGEST);
        }
        assert!(decompressed(b"snappy", b"").is_err());
    }
}
