//! Tower layers for outbound HTTP.
