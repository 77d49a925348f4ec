//! Random situations as scenario files: policies of all kinds, a few at a time, over one small topology.
//!
//! `cargo run -p verdikt-runner --example random -- SEED SCENARIOS STEPS FOLDER` writes so many files with so many steps into
//! a folder that is there; the same arguments write the same bytes. Every cell says `allow`, so
//!
//! ```sh
//! verdikt run FOLDER --on model --update
//! verdikt run FOLDER --on cluster
//! ```
//!
//! writes what the model predicts into the tables, and holds a cluster against them. Every fourth file has policies
//! without a namespace, the node, and names of hosts outside: on a cluster it runs alone.
//!
//! A fifth argument, `everything`, draws from every word of topologies instead. Such files are for the lab:
//! `verdikt run FOLDER --on lab` holds it against what the model predicts.

mod everything;
mod kubernetes;
mod small;

use std::error::Error;
use std::fs;
use std::path::Path;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::small::Shape;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (arguments, of_everything) = match arguments.as_slice() {
        [arguments @ .., last] if last == "everything" => (arguments, true),
        arguments => (arguments, false),
    };
    let [seed, scenarios, steps, folder] = arguments else {
        return Err(
            "cannot write situations: the arguments are SEED SCENARIOS STEPS FOLDER [everything]".into()
        );
    };
    let (seed, scenarios, steps): (u64, usize, usize) = (seed.parse()?, scenarios.parse()?, steps.parse()?);
    for number in 0..scenarios {
        let path = Path::new(folder).join(format!("random-{seed}-{number}.yaml"));
        let mut runner = runner(seed, number)?;
        let text = if of_everything {
            everything::scenario(seed, number, steps, &mut runner)?
        } else {
            small::scenario(seed, Shape::new(number), steps, &mut runner)?
        };
        fs::write(path, text)?;
    }
    Ok(())
}

/// What draws for one scenario of a seed.
fn runner(seed: u64, number: usize) -> Result<TestRunner, Box<dyn Error>> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&u64::try_from(number)?.to_le_bytes());
    Ok(TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)))
}
