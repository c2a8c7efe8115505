//! The console is in the binary as it was built last: a new one is taken in.

use std::path::Path;

const BUILT: &str = "web-fixtures/console/dist";

fn main() {
    // Whoever builds the first one touches this file.
    println!("cargo::rerun-if-changed=build.rs");
    // What is not there would always count as changed.
    if Path::new(BUILT).exists() {
        println!("cargo::rerun-if-changed={BUILT}");
    }
}
