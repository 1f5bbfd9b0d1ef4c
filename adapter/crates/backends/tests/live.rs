//! Against a real stub: `HVDAP_TEST_GDB=gdb:unix:PATH cargo test -p backends --test live -- --ignored --nocapture`.
//!
//! `HVDAP_TEST_RAM=FILE` names the file that is the 256 MiB of RAM from 0x40000000 on, when there is one.
//! The machine behind it should be busy in some guest; it is left halted between the tests and running at the end.
#![expect(
    clippy::disallowed_macros,
    reason = "the figures are for whoever runs it by hand"
)]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use backends::{Options, RamFile, open, write_snapshot};
use machine::target::{PhysicalRead, Trap};
use machine::{
    Pa, Pcpu, Register, Resume, RunControl, StopReason, SysReg, Target, TargetEvent, Va,
};

const LIMIT: Duration = Duration::from_secs(5);

fn target() -> Box<dyn Target> {
    let spec = std::env::var("HVDAP_TEST_GDB").expect("HVDAP_TEST_GDB names a stub");
    let ram = std::env::var_os("HVDAP_TEST_RAM").map(|file| RamFile {
        file: file.into(),
        address: Pa(0x4000_0000),
        size: 256 << 20,
    });
    let ram = ram.into_iter().collect();
    open(&spec, &Options { ram }).expect("it can be opened")
}

fn run(target: &mut dyn Target) -> &mut dyn RunControl {
    target.run_control().expect("it runs")
}

fn context() -> Vec<Register> {
    let mut wanted: Vec<Register> = (0..31).map(Register::X).collect();
    wanted.extend([Register::Sp, Register::Pc, Register::Pstate]);
    wanted.extend(SysReg::ALL.iter().copied().map(Register::Sys));
    wanted
}

fn pc(target: &mut dyn Target, core: Pcpu) -> u64 {
    let values = target.registers(core, &[Register::Pc]).expect("alive");
    values[0].expect("every core has a pc")
}

/// Prints how long `action` takes on average.
fn measure(what: &str, times: u32, mut action: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..times).for_each(|_| action());
    let each = start.elapsed() / times;
    eprintln!("{what}: {each:?}");
    each
}

#[test]
#[ignore = "needs HVDAP_TEST_GDB"]
fn everything() {
    let start = Instant::now();
    let mut target = target();
    eprintln!("connect: {:?}", start.elapsed());
    let target = target.as_mut();
    let ram = target.ram();
    eprintln!("{}: {} cores, {ram:x?}", target.name(), target.cores());
    eprintln!("first stop: {:?}", target.first_stop());
    registers(target);
    memory(target);
    steps(target);
    halts(target);
    traps(target);
    run(target).detach(true).expect("it can be left");
    target
        .registers(Pcpu(0), &[Register::Pc])
        .expect_err("left");
}

fn registers(target: &mut dyn Target) {
    let all = context();
    for core in (0..target.cores() as u16).map(Pcpu) {
        let values = target.registers(core, &all).expect("alive");
        let known = values.iter().flatten().count();
        eprintln!("{core}: {known} of {} registers", all.len());
        for (register, value) in all.iter().zip(&values) {
            let absent = [SysReg::MpidrEl1, SysReg::Ttbr1El2];
            let may_lack = absent.iter().any(|reg| *register == Register::Sys(*reg));
            assert!(value.is_some() || may_lack, "{register:?}");
            // One by one gives the same.
            assert_eq!(
                target.registers(core, &[*register]).expect("alive")[0],
                *value
            );
        }
    }
    measure("one register", 2000, || {
        pc(target, Pcpu(0));
    });
    measure("all registers", 200, || {
        target.registers(Pcpu(0), &all).expect("alive");
    });
    let two = [
        Register::Pc,
        Register::Pstate,
        Register::Sys(SysReg::VttbrEl2),
    ];
    let mut core = 0;
    measure("three registers, other core each time", 1000, || {
        core ^= 1;
        target.registers(Pcpu(core), &two).expect("alive");
    });
}

fn memory(target: &mut dyn Target) {
    let ram = target.ram().expect("alive").expect("known")[0];
    let mut buffer = vec![0; 16 << 20];
    let start = Instant::now();
    let address = ram.start;
    let piece = PhysicalRead {
        address,
        buffer: &mut buffer,
        ok: false,
    };
    let mut pieces = [piece];
    target.read_physical(&mut pieces).expect("alive");
    assert!(pieces[0].ok);
    let rate = 16.0 * 1.048_576 / start.elapsed().as_secs_f64();
    eprintln!("physical memory: {rate:.0} MB/s");

    let place = address.offset(0x1234);
    let original = buffer[0x1234..0x1234 + 3000].to_vec();
    let control = run(target);
    control
        .write_physical(place, &[0x5a; 3000])
        .expect("written");
    let mut again = vec![0; 3000];
    let mut read = |target: &mut dyn Target| {
        let buffer = &mut again[..];
        let mut pieces = [PhysicalRead {
            address: place,
            buffer,
            ok: false,
        }];
        target.read_physical(&mut pieces).expect("alive");
        assert!(pieces[0].ok);
        again.clone()
    };
    assert_eq!(read(target), [0x5a; 3000]);
    run(target)
        .write_physical(place, &original)
        .expect("written");
    assert_eq!(read(target), original);

    let mut byte = [0];
    let buffer = &mut byte[..];
    let mut device = [PhysicalRead {
        address: Pa(0x900_0000),
        buffer,
        ok: true,
    }];
    target.read_physical(&mut device).expect("alive");
    assert!(!device[0].ok, "a device is not read");
}

fn steps(target: &mut dyn Target) {
    let others = pc(target, Pcpu(1));
    measure("step and pc", 500, || {
        run(target).resume(Resume::Step(Pcpu(0))).expect("alive");
        let stop = run(target)
            .wait(LIMIT)
            .expect("alive")
            .expect("a step ends");
        assert_eq!((stop.core, stop.reason), (Pcpu(0), StopReason::Trap));
        pc(target, Pcpu(0));
    });
    assert_eq!(pc(target, Pcpu(1)), others, "the other core is frozen");
}

fn halts(target: &mut dyn Target) {
    let control = run(target);
    let request = control.halt_request();
    request.request_halt();
    let mut worst = Duration::ZERO;
    let mut sum = Duration::ZERO;
    for _ in 0..100 {
        let (sender, events) = mpsc::channel();
        let sink = move |event| sender.send((Instant::now(), event)).expect("test lives");
        control.resume(Resume::All).expect("alive");
        control.watch(std::sync::Arc::new(sink));
        std::thread::sleep(Duration::from_millis(2));
        let asked = Instant::now();
        request.request_halt();
        let (when, event) = events.recv_timeout(LIMIT).expect("it halts");
        match event {
            TargetEvent::Stopped(stop) => assert_eq!(stop.reason, StopReason::Halted),
            TargetEvent::Lost(error) => panic!("{error}"),
        }
        worst = worst.max(when - asked);
        sum += when - asked;
    }
    eprintln!("halt: average {:?}, worst {worst:?}", sum / 100);
    control.resume(Resume::All).expect("alive");
    assert_eq!(
        control.wait(Duration::from_millis(20)),
        Ok(None),
        "still running"
    );
    request.request_halt();
    assert!(control.wait(LIMIT).expect("alive").is_some());
}

fn traps(target: &mut dyn Target) {
    // Xen's vectors: every guest exit passes there.
    let base = target
        .registers(Pcpu(0), &[Register::Sys(SysReg::VbarEl2)])
        .expect("alive")[0];
    let base = base.expect("known");
    let entries = [0x400, 0x480].map(|offset| Trap::Execute(Va(base + offset)));
    let control = run(target);
    for trap in entries {
        control.insert(trap).expect("armed");
        control.insert(trap).expect("armed twice is once");
    }
    control.resume(Resume::All).expect("alive");
    let stop = control.wait(LIMIT).expect("alive").expect("a guest exit");
    assert_eq!(stop.reason, StopReason::Trap);
    let hit = Trap::Execute(Va(pc(target, stop.core)));
    assert!(entries.contains(&hit), "{hit:?}");
    let control = run(target);
    for trap in entries {
        control.remove(trap).expect("removed");
        control.remove(trap).expect("removed twice is once");
    }
    let sp = Register::Sp;
    let value = target.registers(stop.core, &[sp]).expect("alive")[0].expect("known");
    let run = |target: &mut dyn Target, value| {
        let control = target.run_control().expect("it runs");
        control
            .write_register(stop.core, sp, value)
            .expect("written");
    };
    run(target, value + 16);
    assert_eq!(
        target.registers(stop.core, &[sp]),
        Ok(vec![Some(value + 16)])
    );
    run(target, value);
}

/// A client that vanishes leaves its traps behind: the next one must not meet them, on any core.
#[test]
#[ignore = "needs HVDAP_TEST_GDB"]
fn traps_of_a_lost_client() {
    let mut lost = target();
    let base = lost.registers(Pcpu(0), &[Register::Sys(SysReg::VbarEl2)]);
    let base = base.expect("alive")[0].expect("known");
    for offset in [0x280, 0x400, 0x480] {
        let trap = Trap::Execute(Va(base + offset));
        run(lost.as_mut()).insert(trap).expect("armed");
    }
    drop(lost);
    let mut target = target();
    let control = run(target.as_mut());
    control.resume(Resume::All).expect("alive");
    let stop = control.wait(Duration::from_secs(1));
    assert_eq!(stop, Ok(None), "both cores pass Xen's vectors all the time");
    control.detach(true).expect("left");
}

/// After a stop the stub turns to the thread that caused it; registers must be those of the core asked for.
#[test]
#[ignore = "needs HVDAP_TEST_GDB"]
fn registers_of_the_core_asked_for() {
    let mut target = target();
    let target = target.as_mut();
    for stepped in [0, 1, 1, 0].map(Pcpu) {
        let frozen = Pcpu(1 - stepped.0);
        let before = pc(target, frozen);
        run(target).resume(Resume::Step(stepped)).expect("alive");
        let stop = run(target)
            .wait(LIMIT)
            .expect("alive")
            .expect("a step ends");
        assert_eq!(stop.core, stepped);
        assert_eq!(pc(target, frozen), before);
        assert_ne!(pc(target, stepped), before);
    }
    run(target).detach(true).expect("left");
}

/// Saves the machine and compares a few places.
#[test]
#[ignore = "needs HVDAP_TEST_GDB"]
fn saved() {
    for name in ["live.core", "live.core.zst"] {
        let mut target = target();
        let path = std::env::temp_dir().join(format!("hvdap-{}-{name}", std::process::id()));
        let start = Instant::now();
        write_snapshot(target.as_mut(), &path, &mut |_, _| {}).expect("written");
        let size = std::fs::metadata(&path).expect("there").len();
        eprintln!("{name}: {size} bytes in {:?}", start.elapsed());
        let start = Instant::now();
        let mut saved =
            open(&format!("snapshot:{}", path.display()), &Options::default()).expect("opens");
        eprintln!("opened in {:?}", start.elapsed());
        let wanted = context();
        for core in [0, 1].map(Pcpu) {
            assert_eq!(
                saved.registers(core, &wanted),
                target.registers(core, &wanted)
            );
        }
        assert_eq!(saved.ram(), target.ram());
        let ram = target.ram().expect("alive").expect("known")[0];
        let mut buffers = [vec![0; 64 << 20], vec![0; 64 << 20]];
        for (target, buffer) in [&mut saved, &mut target].into_iter().zip(&mut buffers) {
            let start = Instant::now();
            let (address, buffer) = (ram.start, &mut buffer[..]);
            let mut pieces = [PhysicalRead {
                address,
                buffer,
                ok: false,
            }];
            target.read_physical(&mut pieces).expect("alive");
            assert!(pieces[0].ok);
            eprintln!(
                "{}: {:.0} MB/s",
                target.name(),
                67.1 / start.elapsed().as_secs_f64()
            );
        }
        assert!(buffers[0] == buffers[1]);
        if std::env::var_os("HVDAP_TEST_KEEP").is_none() {
            std::fs::remove_file(path).expect("removed");
        }
        run(target.as_mut()).detach(false).expect("left");
    }
}
