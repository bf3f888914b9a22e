//! gRPC: bounded method names, and the status of an RPC.

mod method;
mod status;

pub(crate) use self::method::{RpcMethod, RpcMethods};
pub(crate) use self::status::RpcStatus;
