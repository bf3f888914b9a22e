//! The frames of a front over gRPC.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::before_receiver;
use crate::otlp::{Fault, Front, FrontProtocol};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The preface, and an export without items on stream 1. The head uses neither Huffman codes nor the dynamic table.
fn export_of_nothing() -> Vec<u8> {
    let mut head = vec![0x83, 0x86];
    for (name, value) in [
        (b"\x04".as_slice(), b"/opentelemetry.proto.collector.trace.v1.TraceService/Export".as_slice()),
        (b"\x01", b"front"),
        (b"\x00\x02te", b"trailers"),
        (b"\x00\x0ccontent-type", b"application/grpc"),
    ] {
        head.extend_from_slice(name);
        head.push(value.len() as u8);
        head.extend_from_slice(value);
    }
    let settings = frame(4, 0, 0, &[]);
    let headers = frame(HEADERS, END_HEADERS, 1, &head);
    let message = frame(DATA, END_STREAM, 1, &[0; 5]);
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings, &headers, &message].concat()
}

/// All bytes until the front closes.
async fn answer(front: &Front) -> Vec<u8> {
    let mut stream = TcpStream::connect(front.address()).await.unwrap();
    stream.write_all(&export_of_nothing()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

/// (type, flags, payload) of each whole frame on stream 1.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        if head[5..] == [0, 0, 0, 1] {
            frames.push((head[3], head[4], payload));
        }
        bytes = rest;
    }
    frames
}

#[tokio::test]
async fn front_grpc_garbage_or_cut_head_are_last_bytes_sent() {
    let (_receiver, front) = before_receiver(FrontProtocol::Grpc).await;
    for (fault, last) in [
        (Fault::Garbage, b"220 smtp ready\r\n".as_slice()),
        // A HEADERS frame of 64 bytes: 3 of them.
        (Fault::CutHead, b"\x00\x00\x40\x01\x04\x00\x00\x00\x01\x88\x5f\x10"),
    ] {
        front.set(fault);
        let answer = answer(&front).await;
        assert!(answer.ends_with(last), "{fault:?}: {}", answer.escape_ascii());
        assert_eq!(frames(&answer), []);
    }
    assert_eq!((front.requests(), front.forwarded()), (2, 0));
}

#[tokio::test]
async fn front_grpc_cut_body_is_headers_without_end_stream() {
    let (_receiver, front) = before_receiver(FrontProtocol::Grpc).await;
    front.set(Fault::CutBody);
    for _ in 0..100 {
        let answer = answer(&front).await;
        let frames: Vec<_> = frames(&answer).into_iter().map(|(kind, flags, _)| (kind, flags)).collect();
        assert_eq!(frames, [(HEADERS, END_HEADERS)]);
    }
    assert_eq!((front.requests(), front.forwarded()), (100, 0));
}

#[tokio::test]
async fn front_grpc_reject_is_single_frame_also_when_forwarded() {
    let (_receiver, refusing) = before_receiver(FrontProtocol::Grpc).await;
    refusing.set(Fault::Rejects);
    let forwarding = Front::start(refusing.address(), FrontProtocol::Grpc).unwrap();
    for front in [&refusing, &forwarding] {
        let mut stream = TcpStream::connect(front.address()).await.unwrap();
        stream.write_all(&export_of_nothing()).await.unwrap();
        let mut answer = Vec::new();
        while frames(&answer).is_empty() {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
        let frames: Vec<_> = frames(&answer).into_iter().map(|(kind, flags, _)| (kind, flags)).collect();
        assert_eq!(frames, [(HEADERS, END_HEADERS | END_STREAM)]);
    }
}
