//! Exports spans in protobuf.

use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;

use super::batch::Batch;
use super::delivery::Delivery;
use super::exporter::{Exporting, SpanExport};
use super::outcome::report;
use super::protobuf::Encoder;

/// As large as the requests of `opentelemetry-otlp`.
const LARGEST: usize = 64 << 20;

/// Over gRPC or HTTP. In JSON, `opentelemetry-otlp` makes the requests.
#[derive(Debug)]
pub(super) struct ProtobufSpans {
    encoder: Encoder,
    delivery: Delivery,
}

impl ProtobufSpans {
    pub(super) fn new(delivery: Delivery) -> Self {
        Self { encoder: Encoder::default(), delivery }
    }
}

impl SpanExport for ProtobufSpans {
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    fn describe(&mut self, resource: &Resource) {
        self.encoder = Encoder::new(resource);
    }

    fn send(&self, batch: Batch) -> Exporting<'_> {
        Box::pin(async move {
            let message = self.delivery.transport.protobuf(LARGEST, |out| self.encoder.encode(&batch, out));
            drop(batch);
            report(self.delivery.deliver(message.map_err(OTelSdkError::InternalFailure)?).await);
            Ok(())
        })
    }

    fn flush(&self) {}

    fn close(&self, _: Duration) {}
}
