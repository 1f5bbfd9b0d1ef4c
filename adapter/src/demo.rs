//! The guided tour: what this program does, shown on a target that comes with it.
//!
//! Three stages: the embedded target live under QEMU, its saved halt where QEMU is not installed, and real Xen.

mod embedded;
mod tour;
mod xen;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use tour::DemoError;

/// QEMU, wherever the search path has it.
const QEMU: &str = "qemu-system-aarch64";
/// How long a machine may take to open its gdb stub.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// Takes the tour, written to `out`.
///
/// # Errors
/// The target cannot be started or reached, or does not do what the tour shows.
pub async fn run(on_xen: bool, out: &mut (dyn Write + Send)) -> Result<(), DemoError> {
    if on_xen {
        xen::run(out).await
    } else {
        embedded::run(out).await
    }
}

/// Writes the embedded target and its saved halt into a folder. Gives the machine file to attach with.
///
/// # Errors
/// The folder cannot be written.
pub fn write_files(folder: &Path) -> Result<PathBuf, DemoError> {
    embedded::write_files(folder)
}

/// A machine this tour started. It ends with the tour.
struct Started(Child);

impl Started {
    /// Starts a command and waits until it listens at the Unix socket.
    async fn machine(mut command: Command, socket: &Path) -> Result<Self, DemoError> {
        let name = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut started = Self(
            command
                .spawn()
                .map_err(|error| DemoError::new(format!("{name} cannot be started: {error}")))?,
        );
        let deadline = Instant::now() + START_PATIENCE;
        while !socket.exists() {
            if let Ok(Some(status)) = started.0.try_wait() {
                return Err(DemoError::new(format!(
                    "{name} ended at once ({status}): {}",
                    complaint(&mut started.0)
                )));
            }
            if Instant::now() > deadline {
                return Err(DemoError::new(format!("{name} does not open its gdb stub")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(started)
    }
}

fn complaint(child: &mut Child) -> String {
    use std::io::Read;
    let mut text = String::new();
    if let Some(stderr) = &mut child.stderr {
        let _ = stderr.read_to_string(&mut text);
    }
    text.lines()
        .next()
        .unwrap_or("it gave no reason")
        .to_owned()
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether QEMU is installed.
fn has_qemu() -> bool {
    let version = Command::new(QEMU)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Writes a file, and makes its folder first.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, bytes));
    written.map_err(|error| {
        DemoError::new(format!(
            "{} cannot be written: {error}; name a folder that you may write to",
            path.display()
        ))
    })
}

/// A folder of this tour's own that is removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, DemoError> {
        let path = std::env::temp_dir().join(format!("hvdap-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| {
            DemoError::new(format!("{} cannot be made: {error}", path.display()))
        })?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), DemoError> {
        write_file(&self.0.join(name), bytes)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
