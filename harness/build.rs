//! Builds again when a feature is added or taken away; the features are embedded.
fn main() {
    println!("cargo:rerun-if-changed=../features");
}
