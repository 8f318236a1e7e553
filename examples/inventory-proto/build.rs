//! Compiles the proto file with protox, which is written in Rust: no protoc needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/inventory.proto");
    let files = protox::compile(["inventory.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(files)?;
    Ok(())
}
