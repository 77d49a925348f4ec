//! A test for every scenario.

verdikt_test::main!("tests/scenarios"; verdikt_test::Granularity::Scenario);
