//! `docker`, `kind` and `helm` as child processes with a deadline.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing::debug;
use verdikt_platform::programs::shield_from_interrupts;

use crate::error::Error;
use crate::program::Program;

/// How many of the last lines of a failing program's output are repeated.
const LINES_SAID: usize = 12;
/// How often a running call checks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// The flag that is set when this process should end.
static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Registers the flag that ends every running program and keeps others from starting. Only the first flag counts.
pub fn interrupt_by(flag: Arc<AtomicBool>) {
    let _ = INTERRUPTED.set(flag);
}

fn is_interrupted() -> bool {
    INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::SeqCst))
}

/// One call of a program.
#[derive(Clone, Debug)]
pub(crate) struct ProgramCall {
    program: Program,
    arguments: Vec<OsString>,
    input: Option<Vec<u8>>,
    deadline: Duration,
    doing: String,
    cleans_up: bool,
}

impl ProgramCall {
    /// Makes a call with a timeout of a minute; `doing` completes the message `cannot …`, as in `create the cluster`.
    pub(crate) fn new(program: Program, doing: impl Into<String>) -> Self {
        let deadline = Duration::from_mins(1);
        Self { program, arguments: Vec::new(), input: None, deadline, doing: doing.into(), cleans_up: false }
    }

    pub(crate) fn arguments<Argument: AsRef<OsStr>>(
        mut self,
        arguments: impl IntoIterator<Item = Argument>,
    ) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets what the program reads on its standard input.
    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Lets the call run even after an interruption, because it cleans up.
    pub(crate) fn cleans_up(mut self) -> Self {
        self.cleans_up = true;
        self
    }

    fn is_over(&self) -> bool {
        !self.cleans_up && is_interrupted()
    }

    /// Runs the program and returns what it wrote to its standard output.
    pub(crate) fn run(self) -> Result<String, Error> {
        self.answer().inspect_err(|error| debug!(%error, "a program fails"))
    }

    fn answer(self) -> Result<String, Error> {
        if self.is_over() {
            return Err(Error::Interrupted { doing: self.doing });
        }
        let mut command = Command::new(self.program.name());
        // An interrupt of the terminal is for this process, which ends the program.
        shield_from_interrupts(&mut command);
        debug!(program = self.program.name(), arguments = ?self.arguments, "start a program");
        command.args(&self.arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().map_err(|source| self.not_started(source))?;
        let read = match carry(&mut child, self.input.clone()) {
            Ok(read) => read,
            Err(source) => {
                // Nobody would read its output.
                if let Err(error) = kill(&mut child) {
                    debug!(%error, "cannot end a program whose output is not needed any more");
                }
                return Err(self.not_started(source));
            }
        };
        let ended = collect(&read, Instant::now() + self.deadline, || self.is_over());
        let Some([stdout, stderr]) = ended else {
            let seconds = self.deadline.as_secs();
            kill(&mut child).map_err(|source| self.not_started(source))?;
            if self.is_over() {
                return Err(Error::Interrupted { doing: self.doing });
            }
            return Err(Error::TimedOut { doing: self.doing, program: self.program, seconds });
        };
        let status = child.wait().map_err(|source| self.not_started(source))?;
        if status.success() {
            return Ok(stdout);
        }
        let said = if stderr.trim().is_empty() { stdout } else { stderr };
        Err(Error::Failed {
            doing: self.doing,
            program: self.program,
            status: status.code(),
            said: last_lines(&said),
        })
    }

    fn not_started(&self, source: io::Error) -> Error {
        if source.kind() == io::ErrorKind::NotFound {
            return Error::NotInstalled(self.program);
        }
        Error::NotStarted { program: self.program, source }
    }
}

/// Writes what a program reads, and reads both its outputs to their ends, each sent with its number.
fn carry(child: &mut Child, input: Option<Vec<u8>>) -> io::Result<Receiver<(usize, String)>> {
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // A program that ends without reading says why by itself.
        thread::Builder::new().spawn(move || stdin.write_all(&input))?;
    }
    let (send, received) = mpsc::channel();
    let read = |number: usize, from: Option<Box<dyn Read + Send>>| {
        let send = send.clone();
        let thread = thread::Builder::new().spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut from) = from {
                // What was read before an error is all there is.
                if let Err(error) = from.read_to_end(&mut bytes) {
                    debug!(%error, "the output of a program is incomplete");
                }
            }
            send.send((number, String::from_utf8_lossy(&bytes).into_owned()))
        });
        thread.map(drop)
    };
    read(0, child.stdout.take().map(|stdout| Box::new(stdout) as Box<dyn Read + Send>))?;
    read(1, child.stderr.take().map(|stderr| Box::new(stderr) as Box<dyn Read + Send>))?;
    Ok(received)
}

/// Both outputs, if they end in time and before it is over.
fn collect(
    read: &Receiver<(usize, String)>,
    deadline: Instant,
    is_over: impl Fn() -> bool,
) -> Option<[String; 2]> {
    let mut texts = [String::new(), String::new()];
    let mut ended = 0;
    while ended < texts.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        match read.recv_timeout(left.min(LOOK)) {
            Ok((number, text)) => {
                texts[number] = text;
                ended += 1;
            }
            Err(RecvTimeoutError::Timeout) if left > Duration::ZERO && !is_over() => {}
            Err(_) => return None,
        }
    }
    Some(texts)
}

fn kill(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

/// The last lines of what a program said, without empty ones.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES_SAID)..].join("\n")
}
