//! Cases over files in the usual test harness, which has threads before the first test begins.

use std::path::PathBuf;

use rstest::rstest;

#[rstest]
fn policy(#[files("tests/scenarios/**/*.yaml")] file: PathBuf) {
    verdikt_test::check(file);
}

#[test]
#[should_panic(expected = "DIFFERS       differs/locked down")]
fn a_cell_that_differs() {
    verdikt_test::check("tests/differing/differs.yaml");
}

#[test]
#[should_panic(expected = "there is no file or folder")]
fn no_file() {
    verdikt_test::check("tests/scenarios/nothing.yaml");
}
