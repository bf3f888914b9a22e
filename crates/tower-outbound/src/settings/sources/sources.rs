use std::path::PathBuf;

use figment::Figment;

use super::layer::{Layer, source_of, text};
use super::{FileError, Source, Warning, file};
use crate::settings::Settings;
use crate::settings::keys::KEYS;

/// Where [`Settings`] come from, and which source wins.
///
/// # Example
/// ```
/// use tower_outbound::settings::{Settings, Sources};
///
/// let sources = Sources::new().file("/etc/shop/shop.toml").section("outbound").file_over_environment();
/// let settings = sources.load(); // a file that is not there is a warning
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "sources do nothing until `load`"]
pub struct Sources {
    file: Option<PathBuf>,
    section: Option<String>,
    /// Instead of the environment.
    variables: Option<Vec<(String, String)>>,
    ignored: Vec<String>,
    file_over_environment: bool,
    code: Option<Settings>,
}

impl Sources {
    /// The environment alone: variables that begin with `OUTBOUND_`.
    pub fn new() -> Self {
        Self::default()
    }

    /// A TOML file. Default: none.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// The table of the file that has the keys, such as `outbound`; a dot goes to a table within. Default: the whole file.
    pub fn section(mut self, table: impl Into<String>) -> Self {
        self.section = Some(table.into());
        self
    }

    /// A value of the file wins over one of the environment. Default: the environment wins.
    pub fn file_over_environment(mut self) -> Self {
        self.file_over_environment = true;
        self
    }

    /// What the code sets in these settings wins over file and environment.
    pub fn code(mut self, settings: Settings) -> Self {
        self.code = Some(settings);
        self
    }

    /// Variables that begin with `OUTBOUND_` and are not meant for this crate. Default: none; each is a warning.
    pub fn ignore<I>(mut self, variables: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.ignored.extend(variables.into_iter().map(Into::into));
        self
    }

    /// These variables instead of the environment of the process.
    ///
    /// # Example
    /// ```
    /// use tower_outbound::settings::{Source, Sources};
    ///
    /// let settings = Sources::new().variables([("OUTBOUND_POOL_MAX_AGE", "10m")]).load();
    /// let age = settings.get("pool.max_age").unwrap();
    /// assert_eq!(age.to_string(), "pool.max_age = 10m (OUTBOUND_POOL_MAX_AGE)");
    /// ```
    pub fn variables<I, K, V>(mut self, variables: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: Into<String>,
        V: Into<String>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.variables = Some(variables.collect());
        self
    }

    #[cfg(feature = "watch")]
    pub(crate) fn path(&self) -> Option<&std::path::Path> {
        self.file.as_deref()
    }

    /// The settings of a start. Reads the file, and blocks meanwhile.
    ///
    /// A broken value is a warning, and the next source that has a valid one counts. A file that cannot be read or parsed is a
    /// warning, and the other sources count.
    pub fn load(&self) -> Settings {
        match self.layers() {
            Ok(layers) => resolve(layers, self.code.as_ref(), None),
            Err(error) => {
                let mut settings = resolve(vec![self.environment()], self.code.as_ref(), None);
                let source = Source::File(error.path().to_owned());
                settings.warn(Warning::file(source, error.reason(), "what other sources have"));
                settings
            }
        }
    }

    /// The settings of a reload. Reads the file, and blocks meanwhile.
    ///
    /// A broken value is a warning, and the value in force counts.
    ///
    /// # Errors
    /// The file cannot be read or parsed: keep the settings in force.
    pub fn reload(&self, in_force: &Settings) -> Result<Settings, FileError> {
        Ok(resolve(self.layers()?, self.code.as_ref(), Some(in_force)))
    }

    /// The sources below the code, the one that wins first.
    fn layers(&self) -> Result<Vec<Layer>, FileError> {
        let mut layers = vec![self.environment()];
        if let Some(path) = self.file.as_deref() {
            let tables = file::read(path, self.section.as_deref())?;
            layers.insert(usize::from(!self.file_over_environment), Layer::of_file(&tables, path));
        }
        Ok(layers)
    }

    fn environment(&self) -> Layer {
        let variables = match &self.variables {
            Some(variables) => variables.clone(),
            None => {
                let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
                    Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
                };
                std::env::vars_os().filter_map(utf8).collect()
            }
        };
        let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Layer::of_variables(variables, &self.ignored)
    }
}

/// The settings of these sources, of which the first one wins.
pub(super) fn resolve(layers: Vec<Layer>, code: Option<&Settings>, in_force: Option<&Settings>) -> Settings {
    let mut settings = Settings::new();
    let mut figments = Vec::new();
    for mut layer in layers {
        std::mem::take(&mut layer.unknown).into_iter().for_each(|warning| settings.warn(warning));
        figments.push(Figment::from(&layer).select(layer.profile.clone()));
    }
    for (index, key) in KEYS.iter().enumerate() {
        if let Some(code) = code.filter(|code| code.is_by_code(index)) {
            settings.copy(index, code);
            continue;
        }
        let mut broken = Vec::new();
        for figment in &figments {
            let Ok(value) = figment.find_value(key.name) else { continue };
            let source = source_of(figment.get_metadata(value.tag()), figment.profile(), key);
            let text = text(&value);
            match (key.parse(&text), in_force) {
                (Ok(value), _) => {
                    settings.set(index, value, source);
                    break;
                }
                (Err(reason), None) => broken.push((text, source, reason)),
                (Err(reason), Some(in_force)) => {
                    broken.push((text, source, reason));
                    settings.copy(index, in_force);
                    break;
                }
            }
        }
        for (text, source, reason) in broken {
            let used = settings.get(key.name).map(|entry| format!("{} ({})", entry.value(), entry.source()));
            settings.warn(Warning::broken(key.name, &text, source, reason, used.unwrap_or_default()));
        }
    }
    settings
}
