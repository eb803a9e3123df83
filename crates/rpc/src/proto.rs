//! What `proto/levada/v1/peer.proto` compiles to. Nothing outside of this crate sees it.

#![allow(missing_docs, unreachable_pub, clippy::all)]

tonic::include_proto!("levada.v1");
