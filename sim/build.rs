//! Compiles the few lines of C that stand between the process and the system's randomness.

fn main() {
    println!("cargo:rerun-if-changed=src/determinism.c");
    cc::Build::new()
        .file("src/determinism.c")
        .warnings_into_errors(true)
        .compile("levada_sim_determinism");
    // The whole archive, or the linker would find the C library's symbols first; and for those who look them up by
    // name while the process runs.
    println!("cargo:rustc-link-arg-bins=-Wl,--undefined=getrandom");
    println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=getrandom");
}
