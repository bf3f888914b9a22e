//! The resource.

use opentelemetry::KeyValue;
use percent_encoding::percent_decode_str;

use super::reader::Reader;

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

impl Reader<'_> {
    /// The service's name, and the other attributes.
    pub(super) fn service_and_resource(&mut self, given: &str) -> (String, Vec<KeyValue>) {
        // One invalid pair discards all, as the specification requires.
        let pairs = self.first(&[ATTRIBUTES], Vec::new(), pairs, |_| "no attributes".to_owned());
        let (names, others): (Vec<_>, _) = pairs.into_iter().partition(|(key, _)| key == "service.name");
        let named = names.into_iter().map(|(_, name)| name).rfind(|name| !name.is_empty());
        let service = self.value("OTEL_SERVICE_NAME").or(named).unwrap_or_else(|| given.to_owned());
        (service, others.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect())
    }
}

fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let pairs: Option<Vec<_>> = entries.map(pair).collect();
    pairs.filter(|pairs| !pairs.is_empty())
}

fn pair(entry: &str) -> Option<(String, String)> {
    let (key, value) = entry.split_once('=')?;
    let decoded = |text: &str| Some(percent_decode_str(text.trim()).decode_utf8().ok()?.into_owned());
    Some((decoded(key)?, decoded(value)?)).filter(|(key, _)| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{resolve, warned};
    use super::*;

    #[test]
    fn service_name_from_variable_then_resource_then_code() {
        let resource = (ATTRIBUTES, "a=b, service.name=resource");
        assert_eq!(resolve(&[resource, ("OTEL_SERVICE_NAME", "variable")]).service, "variable");
        assert_eq!(resolve(&[resource]).service, "resource");
        assert_eq!(resolve(&[("OTEL_SERVICE_NAME", "")]).service, "given");
        assert_eq!(resolve(&[(ATTRIBUTES, "service.name=")]).service, "given");
    }

    #[test]
    fn resource_attributes_decoded_without_service_name() {
        let value = "service.name=a%20shop, a%2Cb = c%3D%C3%A4 ,service.version=1.0,empty=,x=y=z,";
        let settings = resolve(&[(ATTRIBUTES, value)]);
        assert_eq!(settings.service, "a shop");
        let expected = [("a,b", "c=ä"), ("service.version", "1.0"), ("empty", ""), ("x", "y=z")];
        assert_eq!(settings.resource, expected.map(|(key, value)| KeyValue::new(key, value)));
        assert_eq!(warned(&settings), vec![]);
    }

    #[test]
    fn resource_attributes_bad_pair_discards_all() {
        for value in ["a=b,c", "a=b,=c", "a=b,c=%FF", ","] {
            let settings = resolve(&[(ATTRIBUTES, value)]);
            assert_eq!(settings.resource, []);
            assert_eq!(warned(&settings), [(ATTRIBUTES, value, "no attributes")]);
        }
    }
}
