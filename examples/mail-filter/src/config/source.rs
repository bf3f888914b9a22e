//! Where the settings come from.

use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::de::DeTable;
use tower_outbound::settings::Sources;

use super::reader::Reader;
use super::{Config, ConfigError, keys};

/// A file, or none, and the environment.
#[derive(Clone, Debug, Default)]
pub struct ConfigSource {
    path: Option<PathBuf>,
    variables: Option<Vec<(String, String)>>,
}

impl ConfigSource {
    /// This file, which wins, and the process's environment.
    #[must_use]
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, variables: None }
    }

    /// These variables instead of the environment.
    #[must_use]
    pub fn variables<I, K, V>(mut self, variables: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: Into<String>,
        V: Into<String>,
    {
        self.variables =
            Some(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        self
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(super) fn given_variables(&self) -> Option<&[(String, String)]> {
        self.variables.as_deref()
    }

    /// Reads the sources. Blocks meanwhile.
    ///
    /// # Errors
    /// The file cannot be read or parsed, or a URL is missing.
    pub fn load(&self) -> Result<(Config, Sources), ConfigError> {
        self.read(None)
    }

    /// As [`load`](Self::load); for a broken value, the one in force counts.
    ///
    /// # Errors
    /// As [`load`](Self::load): keep what is in force.
    pub fn reload(&self, in_force: &Config) -> Result<(Config, Sources), ConfigError> {
        self.read(Some(in_force))
    }

    fn read(&self, in_force: Option<&Config>) -> Result<(Config, Sources), ConfigError> {
        let text = match &self.path {
            Some(path) => fs::read_to_string(path).map_err(|error| ConfigError::Read(path.clone(), error))?,
            None => String::new(),
        };
        let table = DeTable::parse(&text).map_err(|error| {
            let lines: Vec<_> = error.message().lines().map(str::trim).collect();
            ConfigError::Parse(self.path.clone().unwrap_or_default(), lines.join(" "))
        })?;
        let variable = |name: &str| match &self.variables {
            Some(given) => given.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone()),
            None => env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
        };
        let reader = Reader {
            file: table.get_ref(),
            path: self.path(),
            variable: &variable,
            reload: in_force.is_some(),
        };
        let config = keys::read(&reader, in_force)?;
        let sources = config.sources(self);
        Ok((config, sources))
    }
}
