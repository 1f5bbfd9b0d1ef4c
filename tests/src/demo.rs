//! The target that comes with the program (`adapter/demo`): its files, and itself under QEMU.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::adapter::run;
use crate::machine::with_ram;
use crate::skip::skip;
use crate::target::run_folder;

/// Its hypervisor's group where all VMs are threads of one session.
pub const HVDEMO: &str = "hvdemo";

/// Its folder in the repository.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn folder() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tests.join("../adapter/demo").canonicalize();
    folder.expect("the demo is part of the repository")
}

/// Its machine description, without the target.
#[must_use]
pub fn machine() -> Value {
    let demo = folder();
    let image = |name: &str| json!(demo.join(name));
    let sources = json!({ "demo": demo });
    json!({
        "hypervisor": { "kind": "hvdemo", "image": image("hypervisor.elf"), "source-map": sources },
        "vm": [
            { "name": "blinky", "match": { "vmid": 1 }, "image": image("blinky.elf"), "source-map": sources },
            { "name": "courier", "match": { "vmid": 2 }, "image": image("courier.elf"), "source-map": sources },
        ],
    })
}

/// Its saved halt, as a target.
#[must_use]
pub fn saved_halt() -> String {
    format!("snapshot:{}", folder().join("halt.core.zst").display())
}

/// A project of its saved halt, in a folder to be made; its machine file.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn project(folder: &Path) -> PathBuf {
    let made = run(&["demo", "--files", &folder.display().to_string()]);
    assert!(made.status.success(), "{made:?}");
    folder.join("hvdap.toml")
}

/// Its machine description with the command that starts it, held at reset, listening on a new socket; `None` where there is no
/// QEMU: the test is then skipped.
///
/// # Panics
/// When no folder can be made for the socket.
#[must_use]
pub fn launched() -> Option<(Value, PathBuf)> {
    if !has_qemu() {
        return None;
    }
    let socket = run_folder().join("gdb.sock");
    let mut machine = machine();
    machine["target"] = json!({
        "connect": format!("gdb:unix:{}", socket.display()),
        "launch": [folder().join("run.sh"), socket, "-S"],
    });
    Some((machine, socket))
}

/// Waits until nobody listens there any more.
///
/// # Panics
/// When somebody does for five seconds.
pub fn ended(socket: &Path) {
    let is_over = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        std::os::unix::net::UnixStream::connect(socket).is_err()
    });
    assert!(is_over, "what was launched still listens");
}

fn has_qemu() -> bool {
    let version = Command::new("qemu-system-aarch64")
        .arg("--version")
        .output();
    if version.is_err() {
        skip("qemu-system-aarch64 is not installed");
    }
    version.is_ok()
}

/// The target under QEMU, both guests up. Ends with this value.
pub struct Demo {
    qemu: Child,
    /// Where its socket, its RAM and what it says are.
    pub run: PathBuf,
}

impl Demo {
    /// Starts it, with its RAM as a file; `None` where there is no QEMU: the test is then skipped.
    ///
    /// # Panics
    /// When its guests do not come up.
    #[must_use]
    pub fn boot() -> Option<Self> {
        if !has_qemu() {
            return None;
        }
        let run = run_folder();
        let serial = File::create(run.join("serial")).expect("the run folder can be written");
        let ram = format!(
            "memory-backend-file,id=ram,size=64M,share=on,mem-path={}",
            run.join("ram").display()
        );
        let qemu = Command::new(folder().join("run.sh"))
            .arg(run.join("gdb.sock"))
            .args(["-object", &ram, "-machine", "memory-backend=ram"])
            .stdin(Stdio::null())
            .stdout(serial)
            .spawn();
        let qemu = qemu.expect("run.sh can be run");
        let demo = Self { qemu, run };
        demo.wait_for_guests();
        Some(demo)
    }

    fn wait_for_guests(&self) {
        let said = || std::fs::read_to_string(self.run.join("serial")).unwrap_or_default();
        let is_up = (0..400).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            let said = said();
            said.contains("[blinky]") && said.contains("[courier]")
        });
        assert!(is_up, "the guests do not come up: {:?}", said());
    }

    /// Its gdb stub, as a target.
    #[must_use]
    pub fn gdb(&self) -> String {
        format!("gdb:unix:{}", self.run.join("gdb.sock").display())
    }

    /// Its machine description, with the file that is its RAM.
    #[must_use]
    pub fn with_ram(&self) -> Value {
        with_ram(machine(), &self.run.join("ram"), 64)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.qemu.kill().ok();
        self.qemu.wait().ok();
        std::fs::remove_dir_all(&self.run).ok();
    }
}
