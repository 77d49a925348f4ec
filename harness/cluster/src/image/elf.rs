//! Checks that a program is static, so that it runs without other files.

/// The smallest header of a 64-bit program: <https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html>
const HEADER: usize = 64;
/// The kind of segment that names a dynamic linker.
const INTERPRETER: u32 = 3;

/// The architecture of a static Linux program, as container runtimes call it; the error says why it is not one.
pub(super) fn architecture(program: &[u8]) -> Result<&'static str, String> {
    if program.len() < HEADER || !program.starts_with(b"\x7fELF") {
        return Err("it is not a Linux program".to_owned());
    }
    if program[4] != 2 || program[5] != 1 {
        return Err("it is not for a 64-bit little-endian processor".to_owned());
    }
    let architecture = match number(program, 18, 2) {
        Some(62) => "amd64",
        Some(183) => "arm64",
        _ => return Err("it is for neither x86-64 nor ARM64".to_owned()),
    };
    let segments = (number(program, 32, 8), number(program, 54, 2), number(program, 56, 2));
    let (Some(table), Some(size), Some(count)) = segments else {
        return Err("it is truncated".to_owned());
    };
    for index in 0..count {
        match table.checked_add(index * size).and_then(|at| number(program, at, 4)) {
            Some(kind) if kind == u64::from(INTERPRETER) => {
                return Err("it is linked dynamically, and an image from scratch has no libraries".to_owned());
            }
            Some(_) => {}
            None => return Err("it is truncated".to_owned()),
        }
    }
    Ok(architecture)
}

/// Reads a little-endian number.
fn number(program: &[u8], at: u64, length: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let bytes = program.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
