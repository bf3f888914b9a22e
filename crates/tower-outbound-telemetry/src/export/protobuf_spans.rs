//! Exports spans in protobuf.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::delivery::Delivery;
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

impl SpanExporter for ProtobufSpans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let message = self.delivery.transport.protobuf(LARGEST, |out| self.encoder.encode(&batch, out));
        drop(batch);
        report(self.delivery.deliver(message.map_err(OTelSdkError::InternalFailure)?).await);
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.encoder = Encoder::new(resource);
    }
}
