//! Helpers that know nothing of attempts and connections.

mod accessors;
mod authority;
pub(crate) mod http;
pub(crate) mod list;
mod named_enum;
pub(crate) mod sync;
pub(crate) mod timeout_header;
pub(crate) mod user_info;

pub(crate) use self::accessors::inner_service_accessors;
pub(crate) use self::authority::Authority;
pub(crate) use self::named_enum::named_enum;
