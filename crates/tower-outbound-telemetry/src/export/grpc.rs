//! OTLP over gRPC.
//!
//! Source: the OTLP specification, section OTLP/gRPC, with its table of retryable codes.

use std::error::Error;
use std::fmt;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use tower_outbound::BoxError;

use super::answer::{Again, Answer, Signal};
use super::receiver::Receiver;

pub(super) async fn send(receiver: &Receiver, message: Bytes) -> Result<Answer, BoxError> {
    let mut client = Grpc::with_origin(receiver.client.clone(), receiver.uri.clone());
    if receiver.gzip {
        client = client.send_compressed(CompressionEncoding::Gzip);
    }
    let mut request = Request::new(message);
    *request.metadata_mut() = MetadataMap::from_headers(receiver.headers.clone());
    match client.unary(request, path(receiver.signal), Encoded).await {
        Ok(answer) => Ok(Answer::Taken { rejected: receiver.signal.rejected(answer.get_ref()) }),
        // A status with a source is made by tonic: the receiver did not answer.
        Err(status) if status.source().is_some() => Err(NoAnswer(status).into()),
        Err(status) => Ok(Answer::Refused { said: status.to_string(), again: again(&status) }),
    }
}

/// Displays the message only: the status's text contains the source's `Debug` output.
#[derive(Debug)]
struct NoAnswer(Status);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl Error for NoAnswer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

fn path(signal: Signal) -> PathAndQuery {
    PathAndQuery::from_static(match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    })
}

fn again(status: &Status) -> Again {
    let retry = status.get_details_retry_info();
    match (status.code(), retry) {
        (_, Some(info)) => Again::After(info.retry_delay),
        (
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss,
            None,
        ) => Again::After(None),
        _ => Again::Never,
    }
}

/// Passes encoded messages through.
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
