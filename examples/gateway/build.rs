//! Generates the clients and servers of `src/rpc.rs` without a `.proto` file, so `protoc` is not needed.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let services = [
        unary("Twin", "quote", "Quote", "crate::rpc::Quote"),
        unary("Prices", "price", "Price", "crate::rpc::Price"),
    ];
    Builder::new().build_transport(false).compile(&services);
}

/// A service with one method, whose request is an `Item`.
fn unary(service: &str, name: &str, route: &str, output: &str) -> Service {
    let method = Method::builder().name(name).route_name(route).input_type("crate::rpc::Item");
    let method = method.output_type(output).codec_path("tonic_prost::ProstCodec").build();
    Service::builder().package("gateway").name(service).method(method).build()
}
