//! A program that runs beside the test: started, its output kept within bounds, waited for with a deadline,
//! killed when dropped.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::eventually::{comes_true, eventually};

/// The most that is kept of one output; more is counted and dropped.
const MOST_KEPT: usize = 64 << 20;

/// One output of a program: what is kept of it, and how much there was.
#[derive(Default)]
struct Captured {
    kept: Vec<u8>,
    total: u64,
}

/// A program that runs. Dropping it kills it.
pub(crate) struct Running {
    name: String,
    child: Child,
    begun: Instant,
    stdout: Arc<Mutex<Captured>>,
    stderr: Arc<Mutex<Captured>>,
    readers: Vec<JoinHandle<()>>,
}

/// How a program ended, or that its deadline did and it was killed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) timed_out: bool,
    pub(crate) elapsed: Duration,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stdout_bytes: u64,
    pub(crate) stderr: String,
}

/// The signals that tests send.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signal {
    /// Asks to stop cleanly.
    Terminate,
    /// Ends at once, with nothing written any more.
    Kill,
    /// Freezes.
    Stop,
    /// Goes on after freezing.
    Continue,
    /// Asks to read files again.
    Hangup,
}

impl Running {
    /// Starts a program with no input and its outputs kept.
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("`{name}` does not start: {error} (tests/run installs what is needed)")
            });
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let readers = vec![
            keep(child.stdout.take().expect("stdout was asked for"), &stdout),
            keep(child.stderr.take().expect("stderr was asked for"), &stderr),
        ];
        Running {
            name,
            child,
            begun: Instant::now(),
            stdout,
            stderr,
            readers,
        }
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be asked for")
            .is_none()
    }

    /// The number by which the system knows it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes written to its standard output so far.
    pub(crate) fn stdout_bytes(&self) -> u64 {
        lock(&self.stdout).total
    }

    /// Its largest memory so far in bytes, as the kernel counts it (`VmHWM`).
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("the kernel counts");
        let kib: u64 = line
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("the kernel counts in KiB");
        kib << 10
    }

    /// What it said on its standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&lock(&self.stderr).kept).into_owned()
    }

    /// What it said on its standard output so far.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&lock(&self.stdout).kept).into_owned()
    }

    /// Waits for a line on either output that `pick` makes something of.
    ///
    /// # Panics
    /// When the deadline passes or the program ends first, with all it said.
    #[track_caller]
    pub(crate) fn says<T>(
        &mut self,
        deadline: Duration,
        what: &str,
        pick: impl Fn(&str) -> Option<T>,
    ) -> T {
        let found = eventually(
            deadline + Duration::from_millis(1),
            &format!("`{}` says {what}", self.name),
            || {
                let ended = !self.is_running() || self.begun.elapsed() > deadline;
                let said = self.stdout() + &self.stderr();
                match said.lines().find_map(&pick) {
                    Some(found) => Some(Ok(found)),
                    None => ended.then_some(Err(said)),
                }
            },
        );
        found.unwrap_or_else(|said| panic!("`{}` did not say {what}:\n{said}", self.name))
    }

    /// Waits for its end; at the deadline it is killed, and the outcome says so.
    pub(crate) fn wait(mut self, deadline: Duration) -> Outcome {
        let timed_out = !comes_true(deadline, || !self.is_running());
        let elapsed = self.begun.elapsed();
        if timed_out {
            let _ = self.child.kill();
        }
        let status = self.child.wait().expect("a child can be waited for");
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader does not panic");
        }
        let stdout = std::mem::take(&mut *lock(&self.stdout));
        Outcome {
            status,
            timed_out,
            elapsed,
            stdout: stdout.kept,
            stdout_bytes: stdout.total,
            stderr: self.stderr(),
        }
    }

    /// Sends a signal, by the shell's own `kill`: we have no unsafe code, and so no system call.
    pub(crate) fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Terminate => "TERM",
            Signal::Kill => "KILL",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
            Signal::Hangup => "HUP",
        };
        let sent = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{name} {}", self.child.id()))
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "`{}` could not be sent {signal:?}",
            self.name
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.timed_out {
            "killed at its deadline"
        } else {
            "ended"
        };
        writeln!(
            f,
            "{how} after {:?} with {}, {} bytes out",
            self.elapsed, self.status, self.stdout_bytes
        )?;
        write!(f, "{}", self.stderr)
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command, deadline: Duration) -> Outcome {
    Running::start(command).wait(deadline)
}

fn lock(captured: &Mutex<Captured>) -> std::sync::MutexGuard<'_, Captured> {
    captured.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(mut output: impl Read + Send + 'static, captured: &Arc<Mutex<Captured>>) -> JoinHandle<()> {
    let captured = Arc::clone(captured);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            let mut captured = lock(&captured);
            let room = MOST_KEPT.saturating_sub(captured.kept.len());
            captured.kept.extend_from_slice(&buffer[..length.min(room)]);
            captured.total += length as u64;
        }
    })
}
