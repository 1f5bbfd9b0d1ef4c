//! Against a scripted stub on a TCP port: what QEMU's does, and what it never should.

mod fake;

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use backends::{Options, open};
use machine::target::{Access, PhysicalRead, Trap};
use machine::{
    Pa, Pcpu, Register, Resume, Stop, StopReason, SysReg, Target, TargetError, TargetEvent, Va,
};

use fake::{Act, memory, qemu, stub, stub_that_starts_with};

const LIMIT: Duration = Duration::from_secs(10);

fn attach(spec: &str) -> Box<dyn Target> {
    open(spec, &Options::default()).expect("it opens")
}

#[track_caller]
fn refuses(spec: &str, message: &str) {
    let start = Instant::now();
    let error = open(spec, &Options::default())
        .err()
        .expect("it does not open");
    assert!(error.to_string().contains(message), "{error}");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

fn pc(target: &mut dyn Target) -> Result<u64, TargetError> {
    Ok(target.registers(Pcpu(0), &[Register::Pc])?[0].expect("known"))
}

#[track_caller]
fn is_lost(error: &TargetError, why: &str) {
    let TargetError::Lost { reason, .. } = error else {
        panic!("{error}");
    };
    assert!(reason.contains(why), "{reason}");
}

/// Every call fails at once, with the first reason.
#[track_caller]
fn stays_lost(target: &mut dyn Target, why: &str) {
    let start = Instant::now();
    is_lost(&pc(target).expect_err("lost"), why);
    is_lost(&target.read_physical(&mut []).expect_err("lost"), why);
    let run = target.run_control().expect("it runs");
    is_lost(&run.resume(Resume::All).expect_err("lost"), why);
    is_lost(&run.insert(Trap::Execute(Va(0))).expect_err("lost"), why);
    is_lost(&run.wait(LIMIT).expect_err("lost"), why);
    is_lost(&run.detach(true).expect_err("lost"), why);
    let (sender, events) = mpsc::channel();
    run.watch(Arc::new(move |event| {
        sender.send(event).expect("test lives")
    }));
    match events.recv_timeout(LIMIT).expect("an event") {
        TargetEvent::Lost(error) => is_lost(&error, why),
        TargetEvent::Stopped(stop) => panic!("{stop:?}"),
    }
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_stub_as_expected() {
    let (spec, log) = stub(qemu);
    let mut target = attach(&spec);
    let target = target.as_mut();
    assert_eq!(target.cores(), 1);
    let reason = StopReason::Halted;
    assert_eq!(
        target.first_stop(),
        Some(Stop {
            core: Pcpu(0),
            reason
        })
    );
    let wanted = [
        Register::X(0),
        Register::X(30),
        Register::Sp,
        Register::Pc,
        Register::Pstate,
        Register::Sys(SysReg::VbarEl1),
        Register::Sys(SysReg::SpEl0),
        Register::Sys(SysReg::VttbrEl2),
    ];
    let values = [0x100, 0x11e, 0x11f, 0x120, 0x6000_0000, 0x146, 0x11f].map(Some);
    for some in [&wanted[..], &wanted[3..]] {
        let expected = [&values[wanted.len() - some.len()..], &[None]].concat();
        assert_eq!(target.registers(Pcpu(0), some), Ok(expected));
    }
    assert!(matches!(
        target.registers(Pcpu(1), &[]),
        Err(TargetError::Refused { .. })
    ));
    let requests = log.lock().expect("log").clone();
    let registers = requests.iter().skip_while(|request| *request != "Hgp1.1");
    assert_eq!(
        registers.collect::<Vec<_>>(),
        [
            "Hgp1.1", "g", "p47", "p46", "p1f", "p20", "p21", "p47", "p46"
        ]
    );
    reads_memory(target);
}

/// Pieces of many sizes, more than are in flight at once.
fn reads_memory(target: &mut dyn Target) {
    let mut buffers: Vec<(u64, Vec<u8>)> = (0..300u64)
        .map(|n| (n * 0x1_0000, vec![0; (n as usize * 97) % 0x2400]))
        .collect();
    let mut pieces: Vec<_> = buffers
        .iter_mut()
        .map(|(address, buffer)| PhysicalRead {
            address: Pa(*address),
            buffer,
            ok: false,
        })
        .collect();
    target.read_physical(&mut pieces).expect("alive");
    for piece in &pieces {
        assert!(piece.ok);
        let expected = (0..piece.buffer.len() as u64).map(|n| memory(piece.address.0 + n));
        assert!(
            piece.buffer.iter().copied().eq(expected),
            "at {}",
            piece.address
        );
    }
}

#[test]
fn an_unasked_stop_reply() {
    let (spec, _) = stub_that_starts_with(b"+$T02thread:01;#04", qemu);
    let mut target = attach(&spec);
    assert_eq!(pc(target.as_mut()), Ok(0x120));
}

#[test]
fn no_acknowledgements() {
    let (spec, log) = stub(|request| match request {
        "QStartNoAckMode" => Act::Reply("OK".into()),
        _ if request.starts_with("qSupported") => {
            Act::Reply("PacketSize=1000;QStartNoAckMode+;qXfer:features:read+;multiprocess+".into())
        }
        other => qemu(other),
    });
    let mut target = attach(&spec);
    reads_memory(target.as_mut());
    let log = log.lock().expect("log");
    assert!(log.contains(&"QStartNoAckMode".to_owned()));
}

#[test]
fn garbled_replies_are_asked_for_again() {
    for how in [&b"+$1234#00"[..], b"+$12$34#00", b"-"] {
        let mut reads = 0;
        let (spec, _) = stub(move |request| {
            reads += usize::from(request.starts_with('m'));
            let spoil = request.starts_with('m') && [20, 150].contains(&reads);
            if spoil {
                Act::Instead(how.to_vec(), Box::new(qemu(request)))
            } else {
                qemu(request)
            }
        });
        reads_memory(attach(&spec).as_mut());
    }
}

#[test]
fn one_garbled_reply_is_repeated() {
    let mut spoilt = 0;
    let (spec, log) = stub(move |request| {
        if request == "p20" || request == "-" && spoilt < 3 {
            spoilt += 1;
            return Act::Raw(b"+$2001000000000000#00".to_vec());
        }
        match request {
            "-" => Act::Raw(b"$2001000000000000#03".to_vec()),
            other => qemu(other),
        }
    });
    let mut target = attach(&spec);
    // The first time it was one of two in flight, and both were asked again.
    pc(target.as_mut()).expect("in the end");
    let log = log.lock().expect("log");
    assert_eq!(log.iter().filter(|request| *request == "p20").count(), 2);
    assert_eq!(log.iter().filter(|request| *request == "-").count(), 2);
}

#[test]
fn garbled_for_ever() {
    let (spec, _) = stub(|request| match request {
        "p20" | "-" => Act::Raw(b"+$00#ff".to_vec()),
        other => qemu(other),
    });
    let mut target = attach(&spec);
    is_lost(&pc(target.as_mut()).expect_err("garbled"), "garbled");
    stays_lost(target.as_mut(), "garbled");
}

#[test]
fn closes_within_a_reply() {
    let (spec, _) = stub(|request| match request {
        "p20" => Act::Close(b"+$0102".to_vec()),
        other => qemu(other),
    });
    let mut target = attach(&spec);
    stays_lost(target.as_mut(), "closed the connection");
}

#[test]
fn ends_while_halted() {
    let (spec, _) = stub(|request| match request {
        "p20" => Act::Close(b"+$W00#b7".to_vec()),
        other => qemu(other),
    });
    let mut target = attach(&spec);
    stays_lost(target.as_mut(), "ended");
}

#[test]
fn closes_while_running() {
    for (last, why) in [(&b"+"[..], "closed the connection"), (b"+$X09#c1", "ended")] {
        let (spec, _) = stub(move |request| match request {
            "vCont;c" => Act::Close(last.to_vec()),
            other => qemu(other),
        });
        let mut target = attach(&spec);
        let run = target.run_control().expect("it runs");
        let (sender, events) = mpsc::channel();
        run.resume(Resume::All).expect("alive");
        run.watch(Arc::new(move |event| {
            sender.send(event).expect("test lives")
        }));
        match events.recv_timeout(LIMIT).expect("an event") {
            TargetEvent::Lost(error) => is_lost(&error, why),
            TargetEvent::Stopped(stop) => panic!("{stop:?}"),
        }
        stays_lost(target.as_mut(), why);
    }
}

#[test]
fn falls_silent() {
    let (spec, _) = stub(|request| match request {
        "p20" => Act::Nothing,
        other => qemu(other),
    });
    let mut target = attach(&spec);
    let start = Instant::now();
    is_lost(
        &pc(target.as_mut()).expect_err("silent"),
        "no reply within 5 s",
    );
    assert!(start.elapsed() < Duration::from_secs(7));
    stays_lost(target.as_mut(), "no reply");
}

#[test]
fn noise_is_no_reply() {
    let (spec, _) = stub(|request| match request {
        "p20" => Act::Raw(b"++++++\x00\xff%Note:1#00".to_vec()),
        other => qemu(other),
    });
    let mut target = attach(&spec);
    is_lost(
        &pc(target.as_mut()).expect_err("noise"),
        "no reply within 5 s",
    );
}

#[test]
fn does_not_answer_at_all() {
    let (spec, _) = stub(|_| Act::Nothing);
    refuses(&spec, &format!("{}: no reply within 4 s", &spec[4..]));
}

#[test]
fn other_stubs_are_told_apart() {
    refuses(
        "gdb:127.0.0.1:1",
        "cannot connect to the gdb stub at 127.0.0.1:1: nothing listens",
    );
    refuses("gdb:unix:/nowhere/gdb.sock", "unix:/nowhere/gdb.sock");
    refuses("gdb:nowhere", "names no place");
    refuses("jtag:1", "is not a target");
    for (request, reply, message) in [
        ("Qqemu.PhyMemMode:1", "", "Qqemu.PhyMemMode"),
        ("qSupported", "PacketSize=1000", "qXfer:features:read"),
        ("vCont?", "", "vCont"),
        ("qfThreadInfo", "l", "lists no cores"),
        (
            "qXfer:features:read:target.xml:",
            "E00",
            "does not give its target.xml",
        ),
        (
            "qXfer:features:read:core.xml:",
            "l<reg",
            "core.xml is not valid",
        ),
        (
            "qXfer:features:read:target.xml:",
            "l<target><architecture>i386</architecture></target>",
            "its cores are `i386`",
        ),
    ] {
        let (spec, _) = stub(move |asked| {
            if asked.starts_with(request) {
                Act::Reply(reply.into())
            } else {
                qemu(asked)
            }
        });
        refuses(&spec, message);
    }
}

#[test]
fn runs_and_halts() {
    let (spec, log) = stub(qemu);
    let mut target = attach(&spec);
    let run = target.run_control().expect("it runs");
    let request = run.halt_request();
    request.request_halt();
    let stopped = |reason| {
        Ok(Some(Stop {
            core: Pcpu(0),
            reason,
        }))
    };
    run.resume(Resume::Step(Pcpu(0))).expect("alive");
    assert_eq!(run.wait(LIMIT), stopped(StopReason::Trap));
    run.resume(Resume::All).expect("alive");
    assert_eq!(run.wait(Duration::from_millis(10)), Ok(None));
    assert!(matches!(
        run.resume(Resume::All),
        Err(TargetError::Refused { .. })
    ));
    assert!(matches!(
        run.write_physical(Pa(0), &[0]),
        Err(TargetError::Refused { .. })
    ));
    request.request_halt();
    assert_eq!(run.wait(LIMIT), stopped(StopReason::Halted));

    for _ in 0..3 {
        let (sender, events) = mpsc::channel();
        run.resume(Resume::All).expect("alive");
        run.watch(Arc::new(move |event| {
            sender.send(event).expect("test lives")
        }));
        assert!(matches!(
            run.insert(Trap::Execute(Va(0))),
            Err(TargetError::Refused { .. })
        ));
        request.request_halt();
        let event = events.recv_timeout(LIMIT).expect("an event");
        let stop = Stop {
            core: Pcpu(0),
            reason: StopReason::Halted,
        };
        assert_eq!(event, TargetEvent::Stopped(stop));
    }
    assert_eq!(pc(target.as_mut()), Ok(0x120));
    let log = log.lock().expect("log");
    let halts = log.iter().filter(|request| *request == "interrupt").count();
    assert_eq!(halts, 4, "none while halted");
}

#[test]
fn leaves_cleanly() {
    for (leave_running, watched, last) in [
        (true, false, "D;1"),
        (true, true, "D;1"),
        (false, true, "Qqemu.PhyMemMode:0"),
    ] {
        let (spec, log) = stub(qemu);
        let mut target = attach(&spec);
        let run = target.run_control().expect("it runs");
        run.insert(Trap::Execute(Va(0xffff_8000_0000_1000)))
            .expect("armed");
        let (address, length, access) = (Va(0x2000), 8, Access::Write);
        run.insert(Trap::Data {
            address,
            length,
            access,
        })
        .expect("armed");
        run.resume(Resume::All).expect("alive");
        if watched {
            run.watch(Arc::new(|_| {}));
        }
        run.detach(leave_running).expect("left");
        stays_lost(target.as_mut(), "it was left");
        let log = log.lock().expect("log");
        let leaving: Vec<_> = log
            .iter()
            .skip_while(|request| *request != "interrupt")
            .collect();
        let mut expected = vec![
            "interrupt",
            "z0,ffff800000001000,4",
            "z2,2000,8",
            "Qqemu.PhyMemMode:0",
        ];
        expected.extend(leave_running.then_some(last));
        assert_eq!(leaving, expected);
    }
}

#[test]
fn data_traps_name_the_address() {
    let (spec, _) = stub(|request| match request {
        "vCont;c" => Act::Reply("T05thread:p01.01;watch:ffff800000001000;".into()),
        other => qemu(other),
    });
    let mut target = attach(&spec);
    let run = target.run_control().expect("it runs");
    run.resume(Resume::All).expect("alive");
    let reason = StopReason::Data(Va(0xffff_8000_0000_1000));
    assert_eq!(
        run.wait(LIMIT),
        Ok(Some(Stop {
            core: Pcpu(0),
            reason
        }))
    );
}
