//! The sampler.

use opentelemetry_sdk::trace::Sampler;

use super::reader::Reader;

/// The sampler of root spans, or of all spans.
#[derive(Clone, Copy)]
enum Root {
    On,
    Off,
    Ratio,
}

impl Reader<'_> {
    pub(super) fn sampler(&mut self) -> Sampler {
        let (parent_based, root) = self.choice(
            &["OTEL_TRACES_SAMPLER"],
            ("parentbased_always_on", (true, Root::On)),
            &[
                ("parentbased_always_off", (true, Root::Off)),
                ("parentbased_traceidratio", (true, Root::Ratio)),
                ("always_on", (false, Root::On)),
                ("always_off", (false, Root::Off)),
                ("traceidratio", (false, Root::Ratio)),
            ],
        );
        let root = match root {
            Root::On => Sampler::AlwaysOn,
            Root::Off => Sampler::AlwaysOff,
            Root::Ratio => Sampler::TraceIdRatioBased(self.ratio()),
        };
        if parent_based { Sampler::ParentBased(Box::new(root)) } else { root }
    }

    fn ratio(&mut self) -> f64 {
        let parse = |value: &str| value.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        self.first(&["OTEL_TRACES_SAMPLER_ARG"], 1.0, parse, |ratio| format!("{ratio:?}"))
    }
}

#[cfg(test)]
mod tests;
