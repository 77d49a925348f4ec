//! Turns on, for the whole workspace, the features of third-party crates that only tests need.
//!
//! Cargo unifies features over the packages that a command selects, and test-only dependencies count for tests alone:
//! without this package `cargo run` and `cargo test` would each build their own tokio, and all that stands on it. Nothing
//! depends on it, so that `cargo build --package verdikt` builds for users what users need and no more. It lists every
//! development dependency of the workspace with its features; a test of `verdikt` holds the list complete.
