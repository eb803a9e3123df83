//! Compiles the peer protocol from `proto/` without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}/levada/v1/peer.proto");
    let files = protox::compile(["levada/v1/peer.proto"], [root])?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(files)?;
    Ok(())
}
