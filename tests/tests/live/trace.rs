//! The hypervisor's own trace, recorded live: without loss beside the running machine, with the loss counted where there must be some,
//! and readable however the recording ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use ::machine::{GuestId, Pcpu, Vcpu};
use journeys::journey::XEN;
use journeys::{Debugger, Presentation, Target, Variant, adapter, machine};
use serde_json::Value;
use trace::clock::Frequency;
use trace::event::{Event, RunState, Ticks, What};
use trace::format::xen::file::File;
use trace::format::xen::notes::Notes;

/// Both guests compute with more threads than there are cores, and Xen traces from the start.
fn overload(pages: u32) -> Variant {
    let arguments = format!("tbuf_size={pages} tevt_mask=0x29000");
    Variant::plain().load(2, 3).with("XEN_ARGS", &arguments)
}

/// The machine file of a target, with its RAM where that is a file.
fn machine_file(target: &Target) -> String {
    let mut machine = machine::plain(target);
    if let Some(file) = &target.ram_file {
        machine = machine::with_ram(machine, file, 256);
    }
    machine::as_file(&machine, &target.run)
}

fn record(target: &Target, machine: &str, output: &str, more: &[&str]) -> Command {
    let mut command = Command::new(adapter::program());
    command
        .args(["trace", "record", &target.gdb(), "--machine", machine])
        .args(["-o", output])
        .args(more)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Starts recording and waits until something is in the file.
#[track_caller]
fn started(mut command: Command, output: &str) -> Child {
    let mut child = command.spawn().expect("the adapter starts");
    let is_there = || std::fs::metadata(output).is_ok_and(|file| file.len() > 10_000);
    let began = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        is_there()
    });
    if !began {
        child.kill().ok();
        panic!("nothing is recorded: {:?}", child.wait_with_output());
    }
    child
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-INT", &pid]).status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[track_caller]
fn ended(output: &Output, status: i32, said: &str) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{errors}");
    assert!(errors.contains(said), "{errors:?} does not say {said:?}");
    assert!(!errors.contains("panicked"), "{errors}");
    errors
}

/// Whether tests may take as long as the figures they are about.
fn heavy() -> bool {
    std::env::var_os("HVDAP_HEAVY").is_some()
}

/// A recording, read by our own reader.
struct Recorded {
    notes: Notes,
    events: Vec<Event>,
}

impl Recorded {
    #[track_caller]
    fn read(path: &str) -> Self {
        let bytes = std::fs::read(path).expect("the recording is there");
        let file = File::read(&bytes).expect("it is an xentrace file");
        let notes = file.notes();
        let clock = notes.clock.expect("the clock is noted");
        let file = file.counted_by(Some(clock.frequency));
        Self {
            events: file.merged().collect(),
            notes,
        }
    }

    /// Records dropped, by pCPU and in the order they were told.
    fn lost(&self) -> BTreeMap<Pcpu, Vec<u64>> {
        let mut lost: BTreeMap<Pcpu, Vec<u64>> = BTreeMap::new();
        for event in &self.events {
            if let What::Lost { records, .. } = event.what {
                lost.entry(event.pcpu).or_default().push(records.into());
            }
        }
        lost
    }

    #[track_caller]
    fn frequency(&self) -> Frequency {
        self.notes.clock.expect("the clock is noted").frequency
    }

    #[track_caller]
    fn began_and_ended(&self) -> (Ticks, Ticks) {
        let (began, ended) = (self.notes.began, self.notes.ended);
        (began.expect("it began"), ended.expect("it ended"))
    }

    /// Nanoseconds of each vCPU in each state, by the trace.
    fn by_trace(&self) -> BTreeMap<Vcpu, [u64; 4]> {
        let (began, ended) = self.began_and_ended();
        let mut now: BTreeMap<Vcpu, (RunState, Ticks)> = BTreeMap::new();
        let mut ticks: BTreeMap<Vcpu, [u64; 4]> = BTreeMap::new();
        for event in &self.events {
            let What::RunState { vcpu, from, to } = event.what else {
                continue;
            };
            let (state, since) = now.insert(vcpu, (to, event.time)).unwrap_or((from, began));
            ticks.entry(vcpu).or_default()[state as usize] += event.time.0 - since.0;
        }
        for (vcpu, (state, since)) in now {
            ticks.entry(vcpu).or_default()[state as usize] += ended.0 - since.0;
        }
        let nanoseconds = |ticks: [u64; 4]| ticks.map(|ticks| self.frequency().nanoseconds(ticks));
        let ticks = ticks.into_iter();
        ticks.map(|(vcpu, all)| (vcpu, nanoseconds(all))).collect()
    }

    /// Nanoseconds of each vCPU in each state by Xen's own account, which is noted where the recording begins and ends.
    fn by_xen(&self) -> BTreeMap<Vcpu, [u64; 4]> {
        let (began, ended) = self.began_and_ended();
        let epoch = self.notes.clock.and_then(|clock| clock.epoch);
        let epoch = epoch.expect("where Xen's time begins is noted");
        let mut spent: BTreeMap<Vcpu, [u64; 4]> = BTreeMap::new();
        for (time, account) in &self.notes.accounts {
            let now = self.frequency().nanoseconds(time.0 - epoch);
            let until = account.until(now);
            let spent = spent.entry(account.vcpu).or_default();
            for (spent, until) in spent.iter_mut().zip(until) {
                if *time == began {
                    *spent = until;
                } else {
                    assert_eq!(*time, ended);
                    *spent = until - *spent;
                }
            }
        }
        spent
    }
}

/// Both accounts of each vCPU's time agree within a hundredth of the interval in each state (0.2 % seen: of a wake Xen takes the time
/// before it traces it), and running within a thousandth, for of that its records tell the length.
#[track_caller]
fn agree(recorded: &Recorded) {
    let (by_trace, by_xen) = (recorded.by_trace(), recorded.by_xen());
    assert!(by_trace.keys().eq(by_xen.keys()));
    for (vcpu, traced) in &by_trace {
        let told = by_xen[vcpu];
        let interval = told.iter().sum::<u64>();
        for (state, (traced, told)) in traced.iter().zip(told).enumerate() {
            let running = state == RunState::Running as usize;
            let allowed = interval / if running { 1000 } else { 100 };
            let apart = traced.abs_diff(told);
            assert!(
                apart <= allowed,
                "{vcpu:?}: state {state} is {apart} ns apart in {interval} ns: {by_trace:?} against {by_xen:?}"
            );
        }
    }
}

#[test]
fn an_overload_is_recorded_without_loss() {
    let Some(target) = Target::boot(&overload(64).ram_file()) else {
        return;
    };
    let machine = machine_file(&target);
    let file = target.run.join("overload.xentrace");
    let file = file.to_string_lossy();
    let length = if heavy() { "60s" } else { "10s" };
    let output = record(&target, &machine, &file, &["--for", length]).output();
    let errors = ended(&output.expect("the adapter starts"), 0, " 0 lost, in");
    assert!(!errors.contains("gaps"), "{errors}");
    assert!(target.qmp().running(), "the machine goes on");

    let recorded = Recorded::read(&file);
    assert_eq!(recorded.lost(), BTreeMap::new());
    let unreadable = |event: &&Event| matches!(event.what, What::Unreadable { .. });
    assert_eq!(recorded.events.iter().find(unreadable), None);
    let halts = recorded.events.iter();
    assert_eq!(halts.filter(|event| event.what == What::Halted).count(), 0);
    let names = recorded.notes.names.values();
    assert!(names.eq(["Dom0", "DomU"]), "{:?}", recorded.notes.names);
    assert_eq!(recorded.frequency().hertz(), 62_500_000);
    let (began, ended) = recorded.began_and_ended();
    let seconds = (ended.0 - began.0) / 62_500_000;
    assert!((9..70).contains(&seconds), "{seconds} s");
    agree(&recorded);
    assert_eq!(recorded.by_xen().len(), 6, "four vCPUs and two idle ones");
}

#[test]
fn what_a_small_buffer_loses_is_counted() {
    let Some(target) = Target::boot(&overload(1)) else {
        return;
    };
    let machine = machine_file(&target);
    let halting = format!(
        "onDisconnect = \"halt\"\n{}",
        std::fs::read_to_string(&machine).expect("it was written")
    );
    std::fs::write(&machine, halting).expect("it can be written");
    let file = target.run.join("small.xentrace");
    let file = file.to_string_lossy();
    // All that the scheduler tells, more seldom looked at than is good.
    let length = if heavy() { "60s" } else { "4s" };
    let more = ["--for", length, "--mask", "0x2f000", "--every", "2s"];
    let output = record(&target, &machine, &file, &more).output();
    // A record that was under way when the machine halted is of a time before the halt's note: a gap of no bytes.
    let errors = ended(&output.expect("the adapter starts"), 0, " lost");

    let recorded = Recorded::read(&file);
    let lost = recorded.lost();
    let total: u64 = lost.values().flatten().sum();
    assert!(errors.contains(&format!(" {total} lost")), "{errors}");
    assert!(total > 0, "nothing is lost of a buffer of one page");
    // The machine is as it was left: what Xen has not told of yet is what the recording says last.
    let debugger = Debugger::attach(&target.gdb(), &machine::plain(&target), Presentation::Flat);
    let frame = debugger.top(XEN, debugger.threads(XEN)[0].id).id;
    for pcpu in 0..2_u16 {
        let counter = format!(
            "*(unsigned long *)((char *)&per_cpu__lost_records + __per_cpu_offset[{pcpu}])"
        );
        let untold: u64 = debugger
            .evaluate(XEN, frame, &counter)
            .parse()
            .expect("a number");
        let told = recorded
            .events
            .iter()
            .rev()
            .find_map(|event| match event.what {
                What::Lost { records, .. } if event.pcpu == Pcpu(pcpu) => Some(u64::from(records)),
                _ => None,
            });
        // Where Xen has told of everything, the last word is its own.
        if untold > 0 {
            assert_eq!(told, Some(untold), "pCPU {pcpu}: {lost:?}");
        }
    }
    debugger.disconnect();
}

#[test]
fn a_recording_can_be_read_however_it_ends() {
    let Some(mut target) = Target::boot(&overload(64).ram_file()) else {
        return;
    };
    let machine = machine_file(&target);
    let path = |name: &str| target.run.join(name).to_string_lossy().into_owned();
    let [interrupted, full, gone] = ["interrupted", "full", "gone"].map(path);

    let recording = started(record(&target, &machine, &interrupted, &[]), &interrupted);
    interrupt(&recording);
    let output = recording.wait_with_output().expect("it ends");
    ended(&output, 0, " 0 lost, in");
    assert!(target.qmp().running());
    Recorded::read(&interrupted).began_and_ended();

    let output = record(&target, &machine, "/dev/full", &[]).output();
    let errors = ended(&output.expect("the adapter starts"), 1, "/dev/full");
    assert!(errors.contains("No space left"), "{errors}");
    let output = limited(&record(&target, &machine, &full, &[])).output();
    ended(&output.expect("a shell starts"), 1, "File too large");
    assert!(target.qmp().running());
    let recorded = Recorded::read(&full);
    assert!(recorded.events.len() > 100 && recorded.notes.ended.is_none());
    let broken = |event: &&Event| matches!(event.what, What::Unreadable { .. });
    assert_eq!(recorded.events.iter().find(broken), None);

    let recording = started(record(&target, &machine, &gone, &[]), &gone);
    target.kill();
    let output = recording.wait_with_output().expect("it ends");
    ended(&output, 1, "lost");
    let recorded = Recorded::read(&gone);
    assert!(recorded.events.len() > 100 && recorded.notes.ended.is_none());
}

/// The same command where files may have 100 KB: a disk that gets full.
fn limited(command: &Command) -> Command {
    let mut shell = Command::new("bash");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$@\"", "bash"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    shell
}

#[test]
fn without_a_trace_there_are_loads() {
    let Some(target) = Target::boot(&Variant::plain().load(0, 3)) else {
        return;
    };
    let machine = machine_file(&target);
    let file = target.run.join("none").to_string_lossy().into_owned();
    let output = record(&target, &machine, &file, &[]).output();
    ended(&output.expect("the adapter starts"), 1, "tbuf_size=64");
    let arguments = ["trace", "loads", &target.gdb(), "--machine", &machine];
    let output = adapter::run(&[&arguments[..], &["--json", "--interval", "2s"]].concat());
    ended(&output, 0, "");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    let loads = report["loads"].as_array().expect("loads");
    for vcpu in loads
        .iter()
        .flat_map(|load| load["vcpus"].as_array())
        .flatten()
    {
        let shares = vcpu["shares"].as_object().expect("shares").values();
        let sum: f64 = shares.filter_map(Value::as_f64).sum();
        assert!((sum - 1.0).abs() < 0.01, "{report}");
    }
    let running = |name: &str| {
        let load = loads.iter().find(|load| load["name"] == name);
        load.and_then(|load| load["all"]["running"].as_f64())
    };
    let (dom0, domu) = (running("Dom0"), running("DomU"));
    assert!(domu > Some(0.5) && domu > dom0, "{report}");
    assert!(
        Path::new(&file)
            .metadata()
            .is_ok_and(|file| file.len() == 0)
    );
    assert_eq!(
        loads.last().map(|idle| idle["guest"].as_u64()),
        Some(Some(GuestId(0x7fff).0.into()))
    );
}
