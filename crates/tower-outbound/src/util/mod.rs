//! Helpers without knowledge of requests or connections.

mod named_enum;

pub(crate) use self::named_enum::named_enum;
