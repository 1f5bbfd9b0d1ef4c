//! The embedded target: the tour on it, and its files for whoever wants to look by themselves.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::tour::{DemoError, Stops, Tour, say};
use super::{QEMU, Scratch, Started, has_qemu, write_file};

/// How long the target runs before it is attached, so that its guests are at work.
const WARM_UP: Duration = Duration::from_millis(1500);

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../demo/", $path)))),*]
    };
}

/// How its machine file connects, and how it does where only its saved halt is.
const CONNECTS: (&str, &str) = ("gdb:unix:gdb.sock", "snapshot:halt.core.zst");

/// Everything the tour needs, as it lies in `adapter/demo`.
const FILES: &[(&str, &[u8])] = embedded![
    "hypervisor.elf",
    "blinky.elf",
    "courier.elf",
    "halt.core.zst",
    "hvdap.toml",
    "src/blinky/blinky.h",
    "src/blinky/lamps.c",
    "src/blinky/main.c",
    "src/blinky/ring.c",
    "src/blinky/sensor.c",
    "src/courier/courier.h",
    "src/courier/main.c",
    "src/courier/parcel.c",
    "src/courier/rounds.c",
    "src/courier/route.c",
    "src/guest/mmu.c",
    "src/guest/runtime.c",
    "src/guest/runtime.h",
    "src/guest/start.S",
    "src/guest/vectors.S",
    "src/hypervisor/arch.h",
    "src/hypervisor/board.c",
    "src/hypervisor/console.c",
    "src/hypervisor/gic.c",
    "src/hypervisor/hv.h",
    "src/hypervisor/hypercall.c",
    "src/hypervisor/main.c",
    "src/hypervisor/mmu.c",
    "src/hypervisor/sched.c",
    "src/hypervisor/stage2.c",
    "src/hypervisor/start.S",
    "src/hypervisor/trap.c",
    "src/hypervisor/vectors.S",
    "src/hypervisor/vm.c",
];

const STOPS: Stops = Stops {
    variables: &[("blinky", "ring"), ("courier", "banner")],
    clash: Some(("blinky", "sample_store", "courier")),
    breakpoint: ("blinky", "sample_store"),
    also_in: "courier",
};

/// Writes the target into a folder, which is made when it is missing: ELF files, sources, a saved halt, and a machine file that attaches
/// to it. Files of the same names are overwritten. Gives the machine file.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn write_files(folder: &Path) -> Result<PathBuf, DemoError> {
    for (name, bytes) in FILES {
        write_file(&folder.join(name), bytes)?;
    }
    let machine = folder.join("hvdap.toml");
    write_file(&machine, saved_machine().as_bytes())?;
    let whole = machine.canonicalize();
    whole.map_err(|error| DemoError::new(format!("{} is gone: {error}", machine.display())))
}

/// The machine file, from its first section on, for the saved halt.
fn saved_machine() -> String {
    let text = include_str!("../../demo/hvdap.toml");
    let (_, sections) = text.split_once("[target]").unwrap_or(("", text));
    let sections = sections.replace(CONNECTS.0, CONNECTS.1);
    format!(
        "# The machine file of the target that comes with hvdap, at its saved halt.\n\n[target]{sections}"
    )
}

pub(super) async fn run(out: &mut (dyn Write + Send)) -> Result<(), DemoError> {
    let scratch = Scratch::new()?;
    for (name, bytes) in FILES {
        scratch.write(name, bytes)?;
    }
    let machine = scratch.0.join("hvdap.toml");
    if !has_qemu() {
        say(
            out,
            "QEMU is not installed: this is the tour on a saved halt. Install qemu-system-aarch64 to see it run.\n",
        )?;
        let target = format!("snapshot:{}", scratch.0.join("halt.core.zst").display());
        return Tour::attach(&machine, &target)
            .await?
            .look(&STOPS, out)
            .await;
    }
    let socket = scratch.0.join("gdb.sock");
    let mut qemu = Command::new(QEMU);
    qemu.args([
        "-machine",
        "virt,virtualization=on,gic-version=3,dtb-randomness=off",
        "-cpu",
        "cortex-a57",
        "-smp",
        "2",
    ])
    .args([
        "-m",
        "64",
        "-display",
        "none",
        "-monitor",
        "none",
        "-nodefaults",
        "-no-reboot",
        "-serial",
        "null",
    ])
    .arg("-kernel")
    .arg(scratch.0.join("hypervisor.elf"))
    .arg("-chardev")
    .arg(format!(
        "socket,id=gdb,path={},server=on,wait=off",
        socket.display()
    ))
    .args(["-gdb", "chardev:gdb"]);
    let started = Started::machine(qemu, &socket).await?;
    tokio::time::sleep(WARM_UP).await;
    let target = format!("gdb:unix:{}", socket.display());
    let mut tour = Tour::attach(&machine, &target).await?;
    tour.look(&STOPS, out).await?;
    tour.stop_in_one(&STOPS, out).await?;
    tour.leave().await?;
    drop(started);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_file_attaches_to_the_saved_halt() {
        let text = saved_machine();
        assert!(
            text.contains("\n[target]\nconnect = \"snapshot:halt.core.zst\"\n"),
            "{text}"
        );
        assert!(!text.contains("gdb"), "{text}");
        assert_eq!(text.matches("[[vm]]").count(), 2);
    }
}
