//! The keys: what each may be, and its default.

use std::time::Duration;

use super::parse::{duration, http_url, positive, storage_url, token, whole, word};
use super::reader::Reader;
use super::{Config, ConfigError, S3Config, StorageConfig};

const KEYS: [&str; 12] = [
    "webhook_url",
    "webhook_token",
    "storage_url",
    "storage_token",
    "storage_upload_threshold",
    "s3_endpoint",
    "s3_region",
    "s3_access_key_id",
    "s3_secret_access_key",
    "outbound_http_pool_maxsize",
    "outbound_http_connect_timeout",
    "outbound_http_read_timeout",
];

const THRESHOLD: u64 = 3_000_000;
const POOL_MAXSIZE: usize = 50;
const CONNECT: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(60);
const REGION: &str = "us-east-1";

/// Reads every key.
pub(super) fn read(reader: &Reader<'_>, in_force: Option<&Config>) -> Result<Config, ConfigError> {
    warn_of_unknown(reader);
    let old = in_force;
    let webhook_url = reader.value("webhook_url", http_url, old.map(|old| &old.webhook_url), None);
    let webhook_token = old.and_then(|old| old.webhook_token.as_ref());
    let threshold = old.map(|old| &old.storage_upload_threshold);
    let threshold = reader.value("storage_upload_threshold", whole, threshold, Some(THRESHOLD));
    let maxsize = old.map(|old| &old.pool_maxsize);
    let maxsize = reader.value("outbound_http_pool_maxsize", positive, maxsize, Some(POOL_MAXSIZE));
    let connect = old.map(|old| &old.connect_timeout);
    let connect = reader.value("outbound_http_connect_timeout", duration, connect, Some(CONNECT));
    let read = old.map(|old| &old.read_timeout);
    let read = reader.value("outbound_http_read_timeout", duration, read, Some(READ));
    Ok(Config {
        webhook_url: webhook_url.ok_or(ConfigError::Missing("webhook_url"))?,
        webhook_token: reader.value("webhook_token", token, webhook_token, None),
        storage: storage(reader, old.map(|old| &old.storage))?,
        storage_upload_threshold: threshold.unwrap_or(THRESHOLD),
        pool_maxsize: maxsize.unwrap_or(POOL_MAXSIZE),
        connect_timeout: connect.unwrap_or(CONNECT),
        read_timeout: read.unwrap_or(READ),
    })
}

fn storage(reader: &Reader<'_>, old: Option<&StorageConfig>) -> Result<StorageConfig, ConfigError> {
    let old_url = old.map(StorageConfig::url);
    let url = reader.value("storage_url", storage_url, old_url.as_ref(), None);
    let url = url.ok_or(ConfigError::Missing("storage_url"))?;
    let (old_token, old) = match old {
        Some(StorageConfig::Http { token, .. }) => (token.as_ref(), None),
        Some(StorageConfig::S3(s3)) => (None, Some(s3)),
        None => (None, None),
    };
    let Some(rest) = url.strip_prefix("s3://") else {
        return Ok(StorageConfig::Http { token: reader.value("storage_token", token, old_token, None), url });
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let endpoint = old.and_then(|old| old.endpoint.as_ref());
    let region = reader.value("s3_region", word, old.map(|old| &old.region), Some(REGION.to_owned()));
    let id = old.and_then(|old| old.access_key_id.as_ref());
    let secret = old.and_then(|old| old.secret_access_key.as_ref());
    Ok(StorageConfig::S3(S3Config {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        endpoint: reader.value("s3_endpoint", http_url, endpoint, None),
        region: region.unwrap_or_else(|| REGION.to_owned()),
        access_key_id: reader.value("s3_access_key_id", word, id, None),
        secret_access_key: reader.value("s3_secret_access_key", token, secret, None),
    }))
}

fn warn_of_unknown(reader: &Reader<'_>) {
    for key in reader.file_keys().filter(|key| !KEYS.contains(key)) {
        let likeness = |known: &&str| strsim::jaro(known, key);
        let nearest = KEYS.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        tracing::warn!(key, "there is no such key; the nearest is {}", nearest.unwrap_or_default());
    }
}
