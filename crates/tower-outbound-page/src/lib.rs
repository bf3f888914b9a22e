//! A page that shows what [`tower-outbound`](tower_outbound) sees, served by the service itself: for the engineer on call who
//! has a browser or `curl`, and no dashboard at hand.
//!
//! - **Origins**: requests and failures by kind, reuse of connections, connections in use and idle, requests that wait, limits,
//!   and the percentiles of each phase over the last minute.
//! - **Connections**: age, idle time, uses, state, bytes, peer, TLS.
//! - **Calls**: the last slow ones, and the last that failed or were retried, with the waterfall of their phases.
//!
//! [`Page`] is an observer; [`Page::service`] is a tower service. The page works without JavaScript, and has everything as JSON
//! too: `?json=origins`, `?json=connections`, `?json=calls`.
//!
//! # Cost
//! Each attempt takes one lock of its origin when it ends. Memory is bounded: up to 130 KiB for each of at most 100
//! [origins](PageBuilder::max_origins), and 50 [calls](PageBuilder::max_calls) of both kinds.
//!
//! # What it shows to whom
//! No URL, header or body: a method, an origin, the [template](tower_outbound::UrlTemplate) if the request has one, and
//! addresses. Serve it where only operators come: on an internal port, or behind your authentication.
//!
//! # Example
//! ```
//! use axum::Router;
//! use tower_outbound::Outbound;
//! use tower_outbound_page::Page;
//!
//! let page = Page::new();
//! let outbound = Outbound::builder().observer(page.clone()).build();
//! let app: Router = Router::new().route_service("/debug/outbound", page.service(&outbound));
//! # drop(app);
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod calls;
mod minute;
mod observer;
mod origins;
mod page;
mod reason;
mod service;
mod view;

pub use self::builder::PageBuilder;
pub use self::page::Page;
pub use self::service::PageService;
