//! Writes the probe's image to a file, and its name: `cargo run -p verdikt-cluster --example image -- PROGRAM FILE`.

#![expect(clippy::print_stdout, reason = "the name is printed")]

use std::error::Error;

use verdikt_cluster::image::{ProbeProgram, build};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(program), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("name the program and the file to be written".into());
    };
    let built = build(&[ProbeProgram { path: program.into(), arguments: Vec::new() }], None)?;
    std::fs::write(file, &built.archive)?;
    println!("{}", built.image.reference);
    Ok(())
}
