//! Programs that the bench starts: pinned to a processor, their words kept in files, ended when
//! dropped. It knows nothing of what they do.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a program may take until it says or does what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EACH: Duration = Duration::from_millis(20);

/// A program at work.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts a program on these processors, as `taskset` reads them; what it says goes to files in `folder`.
    ///
    /// # Errors
    /// When it, or `taskset`, cannot be started.
    pub(crate) fn start(
        name: &str,
        processors: &str,
        folder: &Path,
        program: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        let child = Command::new("taskset")
            .args(["-c", processors])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()
            .with_context(|| format!("cannot start {name} by taskset"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
        })
    }

    /// `taskset` becomes the program, so this is the program's.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on its standard output in which `find` finds something.
    ///
    /// # Errors
    /// When the program ends or is silent for too long.
    pub(crate) async fn line<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let stdout = self.stdout.clone();
        self.until("says what was waited for", || {
            let said = fs::read_to_string(&stdout).unwrap_or_default();
            // The last line may not be whole yet.
            let whole = &said[..said.rfind('\n').map_or(0, |end| end + 1)];
            whole.lines().find_map(&find)
        })
        .await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it fails or goes on for too long.
    pub(crate) async fn succeeds(mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{} failed ({status}):\n{}", self.name, self.last_words()),
                None => tokio::time::sleep(LOOK_EACH).await,
            }
        }
        bail!("{} does not end:\n{}", self.name, self.last_words())
    }

    /// Waits until it accepts connections.
    ///
    /// # Errors
    /// When the program ends or does not listen in time.
    pub(crate) async fn listens(&mut self, address: SocketAddr) -> Result<()> {
        self.until(&format!("listens on {address}"), || {
            std::net::TcpStream::connect(address).ok().map(drop)
        })
        .await
    }

    async fn until<T>(&mut self, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let said = self.last_words();
                bail!("{} never {what} (ended: {ended:?}):\n{said}", self.name);
            }
            tokio::time::sleep(LOOK_EACH).await;
        }
    }

    /// The end of its standard error.
    fn last_words(&self) -> String {
        let said = fs::read_to_string(&self.stderr).unwrap_or_default();
        let lines: Vec<&str> = said.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets this program run on these processors, as `taskset` reads them.
///
/// # Errors
/// When `taskset` cannot be started or refuses.
pub(crate) fn move_to(processors: &str) -> Result<()> {
    let moved = Command::new("taskset")
        .args(["-a", "-p", "-c", processors])
        .arg(std::process::id().to_string())
        .stdout(Stdio::null())
        .status()
        .context("cannot start taskset")?;
    if !moved.success() {
        bail!("taskset failed ({moved})");
    }
    Ok(())
}

/// An address on loopback that was free a moment ago.
///
/// # Errors
/// When there is none.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
