//! A test for every step of every scenario.

verdikt_test::main!("scenarios");
