//! Compiles what nodes ask of each other from `proto/` without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}/levada/v1/cluster.proto");
    let mut files = protox::compile(["levada/v1/cluster.proto"], [root])?;
    // The commands of the log are compiled by the engine.
    files.file.retain(|f| f.package() == "levada.v1.cluster");
    prost_build::Config::new()
        .bytes(["."])
        .extern_path(".levada.v1.Outcome", "::levada_engine::proto::Outcome")
        .compile_fds(files)?;
    Ok(())
}
