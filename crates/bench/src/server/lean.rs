//! HTTP/1 by a server that does next to nothing, so that the client is what limits.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::answers::Answers;

/// Larger than every request.
const BUFFER: usize = 128 << 10;

/// Answers requests until the peer closes.
pub(super) async fn serve(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    answers: Answers,
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let read = io.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        while let Some(request) = Head::of(&buffer[..filled]) {
            if filled < request.length {
                break;
            }
            buffer.copy_within(request.length..filled, 0);
            filled -= request.length;
            if request.close {
                io.write_all(&answers.last).await?;
                return io.shutdown().await;
            }
            io.write_all(if request.frames { &answers.frames } else { &answers.one }).await?;
        }
    }
}

struct Head {
    /// Of head and body.
    length: usize,
    close: bool,
    frames: bool,
}

impl Head {
    /// Of the first request, if its head is there.
    fn of(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|at| at == b"\r\n\r\n")? + 4;
        let head = &bytes[..end];
        let mut request = Self { length: end, close: false, frames: head.starts_with(b"POST /frames ") };
        for line in head.split(|&byte| byte == b'\n') {
            if let Some(value) = value(line, b"content-length:") {
                request.length += value.parse::<usize>().ok()?;
            } else if let Some(value) = value(line, b"connection:") {
                request.close = value.eq_ignore_ascii_case("close");
            }
        }
        Some(request)
    }
}

fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let (start, value) = line.split_at_checked(name.len())?;
    let value = start.eq_ignore_ascii_case(name).then_some(value)?;
    std::str::from_utf8(value).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_length_close_and_path_are_read() {
        let bytes = b"POST /frames HTTP/1.1\r\nConnection: Close\r\nContent-Length: 12\r\n\r\n{\"a";
        let head = Head::of(bytes).unwrap();
        assert_eq!((head.length, head.close, head.frames), (bytes.len() - 3 + 12, true, true));
    }

    #[test]
    fn head_without_its_end_is_not_there_yet() {
        assert!(Head::of(b"POST / HTTP/1.1\r\ncontent-length: 1\r\n").is_none());
    }
}
