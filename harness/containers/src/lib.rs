//! Tests of the release image with a real Docker engine: see `tests/release_image.rs`.
