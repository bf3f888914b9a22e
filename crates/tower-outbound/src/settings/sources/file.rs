//! A TOML file.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use figment::value::{Dict, Value};
use toml::de::{DeTable, DeValue};

/// A file that cannot be read or parsed.
#[derive(Debug)]
pub struct FileError {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Read(io::Error),
    Parse(toml::de::Error),
    Section(String),
}

impl FileError {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong, in one line.
    pub(super) fn reason(&self) -> String {
        match &self.cause {
            Cause::Read(error) => format!("the file cannot be read: {error}"),
            Cause::Parse(error) => format!("the file is no TOML: {}", one_line(&error.to_string())),
            Cause::Section(section) => format!("the file's {section} is no table"),
        }
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason())
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Read(error) => Some(error),
            Cause::Parse(error) => Some(error),
            Cause::Section(_) => None,
        }
    }
}

/// The tables of the file, or of one of its tables. None if the file has no such table.
pub(super) fn read(path: &Path, section: Option<&str>) -> Result<Dict, FileError> {
    let error = |cause| FileError { path: path.to_owned(), cause };
    let text = fs::read_to_string(path).map_err(|cause| error(Cause::Read(cause)))?;
    let table = DeTable::parse(&text).map_err(|cause| error(Cause::Parse(cause)))?;
    let mut tables = dict(table.get_ref());
    for name in section.into_iter().flat_map(|section| section.split('.')) {
        tables = match tables.remove(name) {
            None => return Ok(Dict::new()),
            Some(Value::Dict(_, inner)) => inner,
            Some(_) => return Err(error(Cause::Section(name.to_owned()))),
        };
    }
    Ok(tables)
}

fn dict(table: &DeTable<'_>) -> Dict {
    table.iter().map(|(name, value)| (name.get_ref().to_string(), figment_value(value.get_ref()))).collect()
}

/// A number stays as it is written: one beyond the integers of TOML breaks its key, and not the file.
fn figment_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => text.to_string().into(),
        DeValue::Integer(number) => number.to_string().into(),
        DeValue::Float(number) => number.to_string().into(),
        DeValue::Boolean(on) => on.to_string().into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(list) => {
            list.iter().map(|value| figment_value(value.get_ref())).collect::<Vec<_>>().into()
        }
        DeValue::Table(table) => dict(table).into(),
    }
}
