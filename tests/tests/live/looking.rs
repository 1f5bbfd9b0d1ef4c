//! What every halt must show of a VM, running or not: used by journeys on live machines and on saved halts alike.

use journeys::Debugger;
use journeys::journey::Thread;

/// What a guest printed about itself on its console.
#[derive(Clone, Debug)]
pub(crate) struct Printed {
    /// `6.1.192-domu`.
    pub(crate) release: String,
    /// `Linux version 6.1.192-domu (…) #1 SMP …`.
    pub(crate) banner: String,
}

impl Printed {
    /// From the whole text of the console: the boot message of the guest with this name.
    #[track_caller]
    pub(crate) fn by(name: &str, console: &str) -> Printed {
        let word = |line: &str, after: &str| -> Option<String> {
            line.split_once(after)?
                .1
                .split_whitespace()
                .next()
                .map(str::to_owned)
        };
        let ready = format!("TB-READY {name} ");
        let release = console.lines().find_map(|line| word(line, &ready));
        let release = release.unwrap_or_else(|| panic!("{name} printed no release"));
        let wanted = format!("Linux version {release} ");
        let line = console.lines().find(|line| line.contains(&wanted));
        let line = line.unwrap_or_else(|| panic!("{name} printed no banner"));
        let at = line.find("Linux version").unwrap_or_default();
        Printed {
            release,
            banner: line[at..].trim_end().to_owned(),
        }
    }
}

/// The vCPUs of a VM have stacks in its own kernel, down to where it began.
#[track_caller]
pub(crate) fn stacks(debugger: &Debugger, group: &str) {
    for thread in debugger.threads(group) {
        let stack = debugger.stack(group, thread.id);
        let names: Vec<_> = stack.iter().map(|frame| frame.name.as_str()).collect();
        assert!(!stack.is_empty(), "{group} {thread:?}");
        let kernel = stack
            .iter()
            .filter(|frame| frame.address.is_some_and(|a| a >> 63 == 1));
        let with_source = kernel.clone().filter(|frame| frame.path.is_some()).count();
        assert!(
            with_source > 0 || kernel.count() == 0,
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
    let whole = printed.banner.get(..60).unwrap_or(&printed.banner);
    assert!(banner.contains(whole), "{banner} against {whole}");
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
