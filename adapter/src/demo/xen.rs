//! The tour on real Xen with two Linux guests, as `tests/live/xen` builds it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::tour::{DemoError, Stops, Tour, say};
use super::{Scratch, Started, has_qemu};

/// How long both guests may take to come up.
const BOOT_PATIENCE: Duration = Duration::from_secs(180);
/// A guest at its shell says so on the console.
const READY: &str = "TB-READY";

const STOPS: Stops = Stops {
    variables: &[("Dom0", "linux_banner"), ("DomU", "linux_banner")],
    clash: None,
    breakpoint: ("DomU", "delayed_work_timer_fn"),
    also_in: "Dom0",
};

pub(super) async fn run(out: &mut (dyn Write + Send)) -> Result<(), DemoError> {
    let scripts = scripts()?;
    if !has_qemu() {
        return Err(DemoError::new(
            "the tour on Xen needs QEMU: install qemu-system-aarch64 (Debian: qemu-system-arm)",
        ));
    }
    say(
        out,
        "Looking for the Xen target (the first time it is unpacked, or built in about a quarter of an hour) ...\n",
    )?;
    let art = find(&scripts)?;
    let scratch = Scratch::new()?;
    let socket = scratch.0.join("gdb.sock");
    let mut boot = Command::new(scripts.join("boot"));
    boot.arg(&art).arg(&scratch.0);
    let started = Started::machine(boot, &socket).await?;
    say(out, "Booting Xen, Dom0 and DomU ...\n")?;
    ready(&scratch.0.join("con.log")).await?;
    scratch.write("hvdap.toml", machine_file(&art).as_bytes())?;
    let target = format!("gdb:unix:{}", socket.display());
    let mut tour = Tour::attach(&scratch.0.join("hvdap.toml"), &target).await?;
    tour.look(&STOPS, out).await?;
    tour.stop_in_one(&STOPS, out).await?;
    tour.leave().await?;
    drop(started);
    Ok(())
}

/// The scripts lie in the repository, beside which the tour is taken.
fn scripts() -> Result<PathBuf, DemoError> {
    let scripts = Path::new("tests/live/xen");
    let found = scripts
        .canonicalize()
        .ok()
        .filter(|path| path.join("boot").exists());
    found.ok_or_else(|| {
        DemoError::new("tests/live/xen is not here: run this in the folder of the hvdap repository")
    })
}

fn find(scripts: &Path) -> Result<PathBuf, DemoError> {
    let found = Command::new(scripts.join("find"))
        .stderr(std::process::Stdio::inherit())
        .output();
    let found = found
        .map_err(|error| DemoError::new(format!("tests/live/xen/find cannot be run: {error}")))?;
    if !found.status.success() {
        return Err(DemoError::new(
            "tests/live/xen/find has no target: see above",
        ));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()))
}

async fn ready(log: &Path) -> Result<(), DemoError> {
    let deadline = Instant::now() + BOOT_PATIENCE;
    while std::fs::read(log).map_or(0, |text| {
        String::from_utf8_lossy(&text).matches(READY).count()
    }) < 2
    {
        if Instant::now() > deadline {
            return Err(DemoError::new(format!(
                "the guests did not come up; their console is {}",
                log.display()
            )));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn machine_file(art: &Path) -> String {
    let art = art.display();
    format!(
        r#"
[hypervisor]
image = "{art}/xen-syms"
source-map = {{ "/usr/src/xen-src" = "{art}/src/xen-src" }}

[[vm]]
name = "Dom0"
image = "{art}/vmlinux-dom0"
source-map = {{ "/usr/src/linux-source-6.12" = "{art}/src/linux-source-6.12" }}

[[vm]]
name = "DomU"
image = "{art}/vmlinux-domu"
source-map = {{ "/usr/src/linux-source-6.1" = "{art}/src/linux-source-6.1" }}
"#
    )
}
