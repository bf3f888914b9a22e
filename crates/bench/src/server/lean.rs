//! HTTP/1 by a server that does next to nothing, so that the client is what limits.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, sink};

use super::answers::Answers;

/// Larger than every request but those of 3 MiB, which are not kept.
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
            if request.length > BUFFER {
                let mut rest = io.take((request.length - filled) as u64);
                tokio::io::copy_buf(&mut BufReader::with_capacity(BUFFER, &mut rest), &mut sink()).await?;
                (io, filled) = (rest.into_inner(), 0);
            } else if filled < request.length {
                break;
            } else {
                buffer.copy_within(request.length..filled, 0);
                filled -= request.length;
            }
            let answer = match request.wants {
                Wants::One if request.close => {
                    io.write_all(&answers.last).await?;
                    return io.shutdown().await;
                }
                Wants::One => &answers.one,
                Wants::Frames => &answers.frames,
                Wants::Big => &answers.big,
                Wants::Nothing => continue,
            };
            io.write_all(answer).await?;
        }
    }
}

/// What a request's path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    One,
    Frames,
    Big,
    /// The request is held.
    Nothing,
}

struct Head {
    /// Of head and body.
    length: usize,
    close: bool,
    wants: Wants,
}

impl Head {
    /// Of the first request, if its head is there.
    fn of(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|at| at == b"\r\n\r\n")? + 4;
        let head = &bytes[..end];
        let paths = [
            (&b"POST /frames "[..], Wants::Frames),
            (b"POST /big ", Wants::Big),
            (b"POST /held ", Wants::Nothing),
        ];
        let wants = paths.into_iter().find(|(start, _)| head.starts_with(start));
        let wants = wants.map_or(Wants::One, |(_, wants)| wants);
        let mut request = Self { length: end, close: false, wants };
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
        assert_eq!((head.length, head.close, head.wants), (bytes.len() - 3 + 12, true, Wants::Frames));
    }

    #[test]
    fn head_without_its_end_is_not_there_yet() {
        assert!(Head::of(b"POST / HTTP/1.1\r\ncontent-length: 1\r\n").is_none());
    }
}
