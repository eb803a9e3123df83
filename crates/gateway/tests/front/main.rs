//! The front through real sockets: what strangers send, what clients send, and the end.

mod bad_input;
mod calls;
mod draining;
mod http2;
mod support;
mod tls;
