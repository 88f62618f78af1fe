//! The examples as processes: one binary, one module for each.

mod echo;
mod http;
mod https;
mod phases;
mod postgres;
mod redis;
mod support;
mod tls;
mod websocket;
