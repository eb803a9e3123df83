//! Compiles what replicas say to each other from `proto/` without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}/levada/v1/raft.proto");
    let files = protox::compile(["levada/v1/raft.proto"], [root])?;
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .compile_fds(files)?;
    Ok(())
}
