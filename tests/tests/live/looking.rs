//! What every halt must show of a VM, running or not: used by journeys on live machines and on saved halts alike.

use journeys::console::Reader;
use journeys::journey::Thread;
use journeys::{Debugger, Target};

/// What a guest says about itself in `/proc/version`: its release and the whole line, as far as it is surely unbroken.
#[derive(Clone, Debug)]
pub(crate) struct Printed {
    /// `6.1.192-domu`.
    pub(crate) release: String,
    /// `Linux version 6.1.192-domu (…`.
    pub(crate) banner: String,
}

impl Printed {
    /// Asks the guest's shell.
    #[track_caller]
    pub(crate) fn by(target: &Target, reader: Reader) -> Printed {
        let command = "cat /proc/version; echo up$((40+2))";
        let text = target
            .console()
            .run(reader, command, "up42")
            .replace('\n', "");
        let at = text
            .find("Linux version ")
            .unwrap_or_else(|| panic!("no version in {text:?}"));
        let banner: String = text[at..].chars().take(70).collect();
        let release = banner.split(' ').nth(2).unwrap_or_default().to_owned();
        Printed { release, banner }
    }
}

/// The vCPUs of a VM have stacks in its own kernel, down to where it began.
#[track_caller]
pub(crate) fn stacks(debugger: &Debugger, group: &str) {
    for thread in debugger.threads(group) {
        let stack = debugger.stack(group, thread.id);
        let names: Vec<_> = stack.iter().map(|frame| frame.name.as_str()).collect();
        assert!(!stack.is_empty(), "{group} {thread:?}");
        let kernel: Vec<_> = stack
            .iter()
            .filter(|frame| !frame.label)
            .filter(|frame| frame.address.is_some_and(|address| address >> 63 == 1))
            .collect();
        // The trampoline of page-table isolation lies outside of the kernel's image, and has no caller.
        let in_trampoline = kernel.len() == 1 && names[0].starts_with("0x");
        let with_source = kernel.iter().filter(|frame| frame.path.is_some()).count();
        assert!(
            with_source > 0 || kernel.is_empty() || in_trampoline,
            "no kernel frame has source: {names:?}"
        );
        for frame in &stack {
            let path = frame.path.as_deref().map(std::path::Path::new);
            assert!(path.is_none_or(|path| path.is_absolute()), "{frame:?}");
        }
    }
}

/// Variables hold what the guest printed.
#[track_caller]
pub(crate) fn variables(debugger: &Debugger, group: &str, printed: &Printed) {
    let thread = debugger.threads(group).remove(0);
    let frame = debugger.top(group, thread.id).id;
    let comm = debugger.evaluate(group, frame, "init_task.comm");
    assert!(comm.contains("swapper"), "{comm}");
    let banner = debugger.evaluate(group, frame, "linux_banner");
    assert!(banner.contains(&printed.release), "{banner}");
    assert!(
        banner.contains(&printed.banner),
        "{banner} against {printed:?}"
    );
    let release = debugger.evaluate(group, frame, "init_uts_ns.name.release");
    assert!(release.contains(&printed.release), "{release}");
}

/// A VM of which no vCPU is on a core, halting again and again until there is one such moment.
#[track_caller]
pub(crate) fn off_all_cores(debugger: &Debugger, group: &str) -> Vec<Thread> {
    for _ in 0..200 {
        let threads = debugger.threads(group);
        if threads
            .iter()
            .all(|thread| !thread.name.contains("on pCPU"))
        {
            return threads;
        }
        debugger.resume(journeys::journey::XEN);
        std::thread::sleep(std::time::Duration::from_millis(5));
        debugger.halt();
    }
    panic!("{group} was always on a core");
}
