//! The live target: booted or restored by the scripts of `tests/live/xen`, ended with the test.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::console::Console;
use crate::qmp::Qmp;
use crate::skip::skip;

/// How long the guests may take to their shells on a busy machine.
const BOOT: Duration = Duration::from_secs(300);

/// One target at a time: two emulated machines on two processors only slow each other down.
static ONE: Mutex<()> = Mutex::new(());

/// The repository.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the repository")
}

/// The folder of the live target, `None` when there is none here: the test is then skipped.
pub fn artefacts() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    find(&FOUND, "plain")
}

/// The folder of Debian's own Xen and kernels, `None` when it is not here: the test is then skipped.
pub fn debian() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    find(&FOUND, "debian")
}

/// The folder of Debian 12's own QEMU, `None` when it is not here: the test is then skipped.
fn qemu_7_2() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    find(&FOUND, "qemu-7.2")
}

fn find(found: &'static OnceLock<Option<PathBuf>>, kind: &str) -> Option<&'static Path> {
    let found = found.get_or_init(|| {
        let script = root().join("tests/live/xen/find");
        let output = Command::new(script)
            .args(["--no-build", kind])
            .output()
            .ok()?;
        let path = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| PathBuf::from(path.trim()))
    });
    if found.is_none() {
        skip(&format!(
            "no live target; `tests/live/xen/find {kind}` makes it"
        ));
    }
    found.as_deref()
}

/// Which machine to boot: the variables of `tests/live/xen/boot`.
#[derive(Clone, Debug, Default)]
pub struct Variant {
    environment: Vec<(&'static str, String)>,
    guests: usize,
    ram_file: bool,
}

impl Variant {
    /// Dom0 and DomU with different kernels.
    #[must_use]
    pub fn plain() -> Variant {
        Variant {
            guests: 2,
            ..Variant::default()
        }
    }

    /// On QEMU 7.2, whose stub speaks a little otherwise; `None` when it is not here.
    #[must_use]
    pub fn on_qemu_7_2() -> Option<Variant> {
        let program = qemu_7_2()?.join("usr/bin/qemu-system-aarch64");
        Some(Variant::plain().with("QEMU", &program.to_string_lossy()))
    }

    /// The same kernel in both guests.
    #[must_use]
    pub fn twins() -> Variant {
        Variant::plain().with("TWINS", "1")
    }

    /// Dom0 and two guests with the same kernel.
    #[must_use]
    pub fn three_guests() -> Variant {
        Variant {
            guests: 3,
            ..Variant::default()
        }
        .with("GUESTS", "3")
    }

    /// A processor that gives both guests a KASLR slide and page-table isolation.
    #[must_use]
    pub fn cpu_max() -> Variant {
        Variant::plain().with("CPU", "max")
    }

    /// Sets a variable of `boot`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Variant {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Threads of `tbapp` that compute in each guest.
    #[must_use]
    pub fn load(self, dom0: u8, domu: u8) -> Variant {
        self.with("DOM0_ARGS", &format!("tb.load={dom0}"))
            .with("DOMU_ARGS", &format!("tb.load={domu}"))
    }

    /// RAM as a file the debugger may map.
    #[must_use]
    pub fn ram_file(mut self) -> Variant {
        self.ram_file = true;
        self
    }
}

/// A running machine.
pub struct Target {
    /// Its sockets and logs.
    pub run: PathBuf,
    /// Its images and sources.
    pub artefacts: &'static Path,
    /// Where RAM is a file, that file.
    pub ram_file: Option<PathBuf>,
    qemu: Child,
    console: Option<Console>,
    _only: MutexGuard<'static, ()>,
}

impl Target {
    /// Boots a variant to the shells of all guests; `None` when there is no live target here.
    ///
    /// # Panics
    /// When it does not boot.
    #[must_use]
    pub fn boot(variant: &Variant) -> Option<Target> {
        Some(Target::boot_from(artefacts()?, variant))
    }

    /// Boots Debian's own Xen and kernels, which are larger.
    ///
    /// # Panics
    /// When they do not boot.
    #[must_use]
    pub fn boot_debian() -> Option<Target> {
        let variant = Variant::plain()
            .with("MEM", "1024")
            .with("DOM0_MB", "256")
            .with("DOMU_MB", "256")
            .with("DOM0_ARGS", "nokaslr")
            .with("DOMU_ARGS", "nokaslr");
        Some(Target::boot_from(debian()?, &variant))
    }

    fn boot_from(artefacts: &'static Path, variant: &Variant) -> Target {
        let only = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let run = run_folder();
        let mut command = Command::new(root().join("tests/live/xen/boot"));
        command
            .arg(artefacts)
            .arg(&run)
            .envs(variant.environment.iter().cloned());
        let ram_file = variant.ram_file.then(|| ram_file(&run));
        if let Some(file) = &ram_file {
            command.env("RAM_FILE", file);
        }
        let target = Target::start(command, run, artefacts, ram_file, only);
        target.wait_ready(variant.guests);
        target
    }

    /// Restores a state saved by `tests/live/xen/save`; the machine is paused.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn restore(state: &Path) -> Option<Target> {
        let artefacts = artefacts()?;
        let only = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let run = run_folder();
        let mut command = Command::new(root().join("tests/live/xen/restore"));
        command.arg(state).arg(&run);
        Some(Target::start(command, run, artefacts, None, only))
    }

    fn start(
        command: Command,
        run: PathBuf,
        artefacts: &'static Path,
        ram_file: Option<PathBuf>,
        only: MutexGuard<'static, ()>,
    ) -> Target {
        let mut target = Target {
            qemu: spawn(command, &run),
            run,
            artefacts,
            ram_file,
            console: None,
            _only: only,
        };
        target.connect_console();
        target
    }

    /// Where a debugger reaches it, as `hvdap` takes it.
    #[must_use]
    pub fn gdb(&self) -> String {
        format!("gdb:unix:{}", self.gdb_socket().display())
    }

    /// The socket of the gdb stub.
    #[must_use]
    pub fn gdb_socket(&self) -> PathBuf {
        self.run.join("gdb.sock")
    }

    /// Its serial console.
    #[must_use]
    pub fn console(&self) -> &Console {
        self.console.as_ref().expect("connected at the start")
    }

    /// All the console said since the machine was started, cleaned.
    #[must_use]
    pub fn console_log(&self) -> String {
        crate::console::clean(read(&self.run.join("con.log")).as_bytes())
    }

    /// Its monitor.
    #[must_use]
    pub fn qmp(&self) -> Qmp {
        Qmp::connect(&self.run.join("qmp.sock"))
    }

    /// A file of the artefacts, as text.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.artefacts.join(name).to_string_lossy().into_owned()
    }

    /// Ends QEMU without a word, as a crash would.
    pub fn kill(&mut self) {
        self.qemu.kill().ok();
        self.qemu.wait().ok();
    }

    fn connect_console(&mut self) {
        let path = self.run.join("con.sock");
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            if let Ok(console) = Console::connect(&path) {
                self.console = Some(console);
                return;
            }
            if let Ok(Some(status)) = self.qemu.try_wait() {
                panic!("QEMU ended: {status}\n{}", read(&self.run.join("qemu.log")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!(
            "QEMU opened no console\n{}",
            read(&self.run.join("qemu.log"))
        );
    }

    /// Waits until all shells have greeted: a greeting in the middle of typing would break the echo. The console may have
    /// said something before it was connected; the log has all of it.
    fn wait_ready(&self, guests: usize) {
        let end = Instant::now() + BOOT;
        loop {
            let text = self.console_log().replace('\n', "");
            if text.matches("Enter 'help' for a list").count() >= guests {
                return;
            }
            assert!(
                Instant::now() < end,
                "the guests did not get ready:\n{text}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let text = self.console.as_ref().map_or(String::new(), Console::text);
            let from = text.char_indices().rev().nth(1500).map_or(0, |(at, _)| at);
            eprintln!("the console said last:\n{}", &text[from..]);
        }
        if let Some(file) = &self.ram_file {
            std::fs::remove_file(file).ok();
        }
        std::fs::remove_dir_all(&self.run).ok();
    }
}

/// Runs a script of `tests/live/xen` that becomes QEMU.
fn spawn(mut command: Command, run: &Path) -> Child {
    let log = std::fs::File::create(run.join("qemu.log")).expect("the run folder can be written");
    command
        .env("END_WITH_PARENT", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the script can be started")
}

/// A new folder with a path short enough for the name of a Unix socket.
pub(crate) fn run_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "hvdap-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    folder
}

/// Where RAM is kept as a file: in memory where the machine has such a folder.
fn ram_file(run: &Path) -> PathBuf {
    let name = format!(
        "{}.ram",
        run.file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("hvdap")
    );
    let shared = Path::new("/dev/shm");
    if shared.is_dir() {
        shared.join(name)
    } else {
        run.join(name)
    }
}

fn read(path: &Path) -> String {
    std::fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// Whether something listens on a Unix socket.
#[must_use]
pub fn listens(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}
