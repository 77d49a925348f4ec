//! A test for every step, as a policy repository has them.

verdikt_test::main!("tests/scenarios");
