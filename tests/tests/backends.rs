//! The back ends by themselves against the live target: what the stub answers must be what the machine is.

use std::collections::HashSet;
use std::sync::mpsc;
use std::time::Duration;

use backends::snapshot::Snapshot;
use backends::{Options, RamFile, open, write_snapshot};
use journeys::{Target as Live, Variant};
use machine::arch::aarch64::simulate::simulate;
use machine::target::{PhysicalRead, Trap};
use machine::{
    Pa, Pcpu, Register, Resume, RunControl, StopReason, SysReg, Target, TargetEvent, Va,
};
use serde_json::json;

const WFI: u32 = 0xd503_207f;
const LIMIT: Duration = Duration::from_secs(5);

/// A machine that is busy in both guests.
fn live() -> Option<Live> {
    Live::boot(&Variant::plain().load(2, 2))
}

fn connect(live: &Live) -> Box<dyn Target> {
    let ram = live.ram_file.iter().map(|file| RamFile {
        file: file.clone(),
        address: Pa(0x4000_0000),
        size: 256 << 20,
    });
    let ram = ram.collect();
    open(&live.gdb(), &Options { ram }).expect("it can be opened")
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

#[test]
fn everything() {
    let Some(live) = live() else {
        return;
    };
    everything_of(&live);
}

/// The same where physical memory comes from the RAM file.
#[test]
fn everything_with_a_ram_file() {
    let Some(live) = Live::boot(&Variant::plain().load(2, 2).ram_file()) else {
        return;
    };
    everything_of(&live);
}

fn everything_of(live: &Live) {
    let mut target = connect(live);
    let target = target.as_mut();
    assert_eq!(target.cores(), 2);
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
}

fn memory(target: &mut dyn Target) {
    let ram = target.ram().expect("alive").expect("known")[0];
    let mut buffer = vec![0; 16 << 20];
    let address = ram.start;
    let piece = PhysicalRead {
        address,
        buffer: &mut buffer,
        ok: false,
    };
    let mut pieces = [piece];
    target.read_physical(&mut pieces).expect("alive");
    assert!(pieces[0].ok);

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
    for _ in 0..500 {
        run(target).resume(Resume::Step(Pcpu(0))).expect("alive");
        let stop = run(target)
            .wait(LIMIT)
            .expect("alive")
            .expect("a step ends");
        assert_eq!((stop.core, stop.reason), (Pcpu(0), StopReason::Trap));
    }
    assert_eq!(pc(target, Pcpu(1)), others, "the other core is frozen");
}

fn halts(target: &mut dyn Target) {
    let control = run(target);
    let request = control.halt_request();
    request.request_halt();
    for _ in 0..100 {
        let (sender, events) = mpsc::channel();
        let sink = move |event| sender.send(event).expect("test lives");
        control.resume(Resume::All).expect("alive");
        control.watch(std::sync::Arc::new(sink));
        std::thread::sleep(Duration::from_millis(2));
        request.request_halt();
        let event = events.recv_timeout(LIMIT).expect("it halts");
        match event {
            TargetEvent::Stopped(stop) => assert_eq!(stop.reason, StopReason::Halted),
            TargetEvent::Lost(error) => panic!("{error}"),
        }
    }
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
fn traps_of_a_lost_client() {
    let Some(live) = live() else {
        return;
    };
    let mut lost = connect(&live);
    let base = lost.registers(Pcpu(0), &[Register::Sys(SysReg::VbarEl2)]);
    let base = base.expect("alive")[0].expect("known");
    for offset in [0x280, 0x400, 0x480] {
        let trap = Trap::Execute(Va(base + offset));
        run(lost.as_mut()).insert(trap).expect("armed");
    }
    drop(lost);
    let mut target = connect(&live);
    let control = run(target.as_mut());
    control.resume(Resume::All).expect("alive");
    let stop = control.wait(Duration::from_secs(1));
    assert_eq!(stop, Ok(None), "both cores pass Xen's vectors all the time");
    control.detach(true).expect("left");
}

/// After a stop the stub turns to the thread that caused it; registers must be those of the core asked for.
#[test]
fn registers_of_the_core_asked_for() {
    let Some(live) = live() else {
        return;
    };
    let mut target = connect(&live);
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

/// What is worked out of an instruction is what the core makes of it.
#[test]
fn simulated_as_executed() {
    let Some(live) = live() else {
        return;
    };
    let mut target = connect(&live);
    let target = target.as_mut();
    let general: Vec<Register> = (0..31).map(Register::X).collect();
    let all = [
        &general[..],
        &[Register::Sp, Register::Pc, Register::Pstate],
    ]
    .concat();
    let (mut simple, mut words) = (0, HashSet::new());
    for burst in 0..40 {
        let core = Pcpu(burst % 2);
        for _ in 0..100 {
            let before = target.registers(core, &all).expect("alive");
            let pc = before[32].expect("every core has a pc");
            let fetched = run(target).fetch(core, Va(pc), &all).expect("alive");
            let fetched = fetched.expect("QEMU reads as its cores do");
            assert_eq!(fetched.registers, before);
            // The step of an idle core never ends.
            if fetched.word == WFI {
                break;
            }
            let known = |register| before[all.iter().position(|one| *one == register)?];
            let effect = simulate(fetched.word, pc, &known);
            run(target).resume(Resume::Step(core)).expect("alive");
            run(target).wait(LIMIT).expect("alive").expect("it ends");
            let Some(effect) = effect else {
                continue;
            };
            let mut expected = before.clone();
            expected[32] = Some(effect.pc);
            if let Some((register, value)) = effect.write {
                let at = all.iter().position(|one| *one == register);
                expected[at.expect("it is a core register")] = Some(value);
            }
            let after = target.registers(core, &all).expect("alive");
            // QEMU ends a step before its instruction when the core is wanted for something else (seen with 10.0).
            if after == before {
                continue;
            }
            assert_eq!(after, expected, "{:#x} at {pc:#x}", fetched.word);
            simple += 1;
            words.insert(fetched.word);
        }
        let control = run(target);
        control.resume(Resume::All).expect("alive");
        assert_eq!(control.wait(Duration::from_millis(5)), Ok(None));
        control.halt_request().request_halt();
        control.wait(LIMIT).expect("alive").expect("it halts");
    }
    assert!(simple > 400 && words.len() > 50, "{simple} of {words:?}");
    run(target).detach(true).expect("left");
}

/// What is saved is what the machine is.
#[test]
fn saved() {
    let Some(live) = live() else {
        return;
    };
    for name in ["live.core", "live.core.zst"] {
        let mut target = connect(&live);
        let path = live.run.join(name);
        write_snapshot(target.as_mut(), &path, &mut |_, _| {}).expect("written");
        let mut saved =
            open(&format!("snapshot:{}", path.display()), &Options::default()).expect("opens");
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
            let (address, buffer) = (ram.start, &mut buffer[..]);
            let mut pieces = [PhysicalRead {
                address,
                buffer,
                ok: false,
            }];
            target.read_physical(&mut pieces).expect("alive");
            assert!(pieces[0].ok);
        }
        assert!(buffers[0] == buffers[1]);
        run(target.as_mut()).detach(false).expect("left");
    }
}

/// QEMU's own dump: general registers and memory, no system registers.
#[test]
fn dumped_by_qemu() {
    let Some(live) = live() else {
        return;
    };
    let dump = live.run.join("qemu.dump");
    let protocol = format!("file:{}", dump.display());
    let arguments = json!({ "paging": false, "protocol": protocol });
    live.qmp().ask("dump-guest-memory", arguments);
    let mut snapshot = Snapshot::open(&dump).expect("opens");
    assert_eq!(snapshot.damage(), [""; 0]);
    let wanted = [
        Register::Pc,
        Register::Sp,
        Register::Pstate,
        Register::Sys(SysReg::VttbrEl2),
    ];
    for core in (0..snapshot.cores() as u16).map(Pcpu) {
        let values = snapshot.registers(core, &wanted).expect("told");
        assert!(values[..3].iter().all(Option::is_some) && values[3].is_none());
    }
    let ram = snapshot.ram();
    assert!(ram.is_ok_and(|ram| ram.is_some_and(|ram| !ram.is_empty())));
}
