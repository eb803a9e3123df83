//! Compiles the commands of the log from `proto/` without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}/levada/v1/command.proto");
    println!("cargo:rerun-if-changed={root}/levada/v1/tables.proto");
    println!("cargo:rerun-if-changed={root}/levada/v1/topics.proto");
    let files = protox::compile(["levada/v1/command.proto"], [root])?;
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .type_attribute(".", "#[allow(missing_docs)]")
        .compile_fds(files)?;
    Ok(())
}
