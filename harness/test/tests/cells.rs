//! A test for every cell.

verdikt_test::main!("tests/scenarios"; verdikt_test::Granularity::Cell);
