//! Resuming, waiting, traps, writing and leaving.

use std::sync::Arc;
use std::time::Duration;

use machine::target::{Access, EventSink, Fetched, HaltRequest, Trap};
use machine::{
    Pa, Pcpu, Register, Resume, RunControl, Stop, StopReason, TargetError, TargetEvent, Va,
};

use super::GdbRemote;
use super::connect::core_of;
use super::link::{ENDED, explain, lost};
use super::wire::Reader;
use crate::rsp::hex;
use crate::rsp::stop_reply::{StopReply, ThreadId};

/// How long a target may take to halt when we want to leave.
const LEAVING: Duration = Duration::from_secs(2);

/// A stop in machine's words. A stub that names no thread means the core that was resumed.
fn stop(reply: StopReply, threads: &[ThreadId], resumed: Pcpu) -> Result<Stop, &'static str> {
    let StopReply::Stopped {
        signal,
        thread,
        data,
    } = reply
    else {
        return Err(ENDED);
    };
    Ok(Stop {
        core: core_of(threads, thread).unwrap_or(resumed),
        reason: match (signal, data) {
            (_, Some(address)) => StopReason::Data(Va(address)),
            (5, None) => StopReason::Trap,
            (2, None) => StopReason::Halted,
            (other, None) => StopReason::Signal(other),
        },
    })
}

/// `Z` and `z` without that letter.
fn trap_text(trap: Trap) -> String {
    match trap {
        Trap::Execute(address) => format!("0,{:x},4", address.0),
        Trap::Data {
            address,
            length,
            access,
        } => {
            let kind = match access {
                Access::Write => 2,
                Access::Read => 3,
                Access::Any => 4,
            };
            format!("{kind},{:x},{length:x}", address.0)
        }
    }
}

impl RunControl for GdbRemote {
    fn resume(&mut self, how: Resume) -> Result<(), TargetError> {
        // At a stop the stub turns to the thread that caused it.
        self.current = None;
        let (letter, core) = match how {
            Resume::All => return self.link.resume(&[], "vCont;c"),
            Resume::Step(core) => ('s', core),
            Resume::Only(core) => ('c', core),
        };
        let Some(thread) = self.thread(core) else {
            return Err(self.link.refused("vCont", format!("there is no {core}")));
        };
        self.resumed = core;
        self.link
            .resume(&[], &format!("vCont;{letter}:{}", thread.text()))
    }

    /// QEMU reads virtual memory as the selected thread does, through both stages, when told to for a moment.
    fn fetch(
        &mut self,
        core: Pcpu,
        address: Va,
        wanted: &[Register],
    ) -> Result<Option<Fetched>, TargetError> {
        self.fetch_as(core, address, wanted)
    }

    fn resume_with(&mut self, core: Pcpu, writes: &[(Register, u64)]) -> Result<(), TargetError> {
        // What has been taken once is taken again: only then nobody needs to wait for the replies.
        let known = writes
            .iter()
            .all(|(register, _)| self.written.contains(register));
        if !known || self.current != Some(core) {
            for (register, value) in writes {
                self.write_register(core, *register, *value)?;
            }
            return self.resume(Resume::All);
        }
        let requests = writes
            .iter()
            .map(|(register, value)| self.write_request(*register, *value))
            .collect::<Result<Vec<_>, _>>()?;
        self.current = None;
        self.link.resume(&requests, "vCont;c")
    }

    fn wait(&mut self, at_most: Duration) -> Result<Option<Stop>, TargetError> {
        let reader = self.link.reader()?;
        let reply = reader.stop(Some(at_most));
        let reply = reply.map_err(|error| self.link.lose(explain(&error)))?;
        let stop = reply.map(|reply| stop(reply, &self.threads, self.resumed));
        stop.transpose().map_err(|reason| self.link.lose(reason))
    }

    fn watch(&mut self, sink: EventSink) {
        if let Err(error) = self.link.reader() {
            return sink(TargetEvent::Lost(error));
        }
        let name = Arc::clone(self.link.name());
        let threads = Arc::clone(&self.threads);
        let resumed = self.resumed;
        let job_sink = Arc::clone(&sink);
        let watching = self.link.watch(|watcher, reader| {
            let wait = Box::new(move |reader: &mut Reader| {
                let reply = loop {
                    // Without a limit the wait ends only by a reply or an error.
                    let reply = reader.stop(None);
                    if let Some(reply) = reply.map_err(|error| lost(&name, explain(&error)))? {
                        break reply;
                    }
                };
                stop(reply, &threads, resumed).map_err(|reason| lost(&name, reason))
            });
            watcher.start(reader, wait, job_sink);
        });
        if let Err(error) = watching {
            sink(TargetEvent::Lost(self.link.lose(error)));
        }
    }

    /// A request that comes while the target is halted, or that crosses a stop reply, is dropped. So whoever resumes
    /// by itself (after a hit that nobody wanted) keeps a flag of its own: set before the request, looked at after
    /// each stop, and again after each resume.
    fn halt_request(&self) -> Arc<dyn HaltRequest> {
        Arc::clone(self.link.writer()) as Arc<dyn HaltRequest>
    }

    fn insert(&mut self, trap: Trap) -> Result<(), TargetError> {
        if !self.armed.contains(&trap) {
            self.link.command(&format!("Z{}", trap_text(trap)))?;
            self.armed.push(trap);
        }
        Ok(())
    }

    fn remove(&mut self, trap: Trap) -> Result<(), TargetError> {
        let Some(at) = self.armed.iter().position(|armed| *armed == trap) else {
            return Ok(());
        };
        self.armed.swap_remove(at);
        self.link.command(&format!("z{}", trap_text(trap)))
    }

    /// Writes with `P`. System registers are refused here: QEMU answers `OK` and does nothing.
    fn write_register(
        &mut self,
        core: Pcpu,
        register: Register,
        value: u64,
    ) -> Result<(), TargetError> {
        let request = self.write_request(register, value)?;
        if let Some(select) = self.select(core)? {
            self.current = None;
            self.link.command(&select)?;
            self.current = Some(core);
        }
        self.link.command(&String::from_utf8_lossy(&request))?;
        self.written.insert(register);
        Ok(())
    }

    fn write_physical(&mut self, address: Pa, bytes: &[u8]) -> Result<(), TargetError> {
        self.write_memory(address, bytes)
    }

    /// Halts the target first when it runs; a [`watch`](RunControl::watch) then still delivers that stop.
    fn detach(&mut self, leave_running: bool) -> Result<(), TargetError> {
        self.halt_to_leave()?;
        let mut requests: Vec<String> = std::mem::take(&mut self.armed)
            .into_iter()
            .map(|trap| format!("z{}", trap_text(trap)))
            .collect();
        // QEMU keeps the mode for the next client, who would read nonsense.
        requests.push("Qqemu.PhyMemMode:0".into());
        if leave_running {
            let mut processes: Vec<u64> = self.threads.iter().map(|id| id.process).collect();
            processes.dedup();
            requests.extend(processes.into_iter().map(|process| match process {
                0 => "D".into(),
                process => format!("D;{process:x}"),
            }));
        }
        for request in requests {
            match self.link.command(&request) {
                // One refusal is no reason to leave the rest undone.
                Ok(()) | Err(TargetError::Refused { .. }) => {}
                Err(lost) => return Err(lost),
            }
        }
        self.link.lose("it was left");
        Ok(())
    }
}

impl GdbRemote {
    /// The `P` of a core register.
    fn write_request(&self, register: Register, value: u64) -> Result<Vec<u8>, TargetError> {
        let refused = |reason: &str| {
            self.link
                .refused(&format!("a write of {register:?}"), reason)
        };
        if let Register::Sys(reg) = register {
            let name = reg.name();
            let reason = format!("QEMU ignores writes of system registers such as {name}");
            return Err(refused(&reason));
        }
        let numbered = self.description.find(register);
        let numbered = numbered.ok_or_else(|| refused("it has no such register"))?;
        let mut text = format!("P{:x}=", numbered.number).into_bytes();
        let size = (numbered.size as usize).min(8);
        hex::encode(&value.to_le_bytes()[..size], &mut text);
        Ok(text)
    }

    /// Halts a running target, since a stub listens only then.
    fn halt_to_leave(&mut self) -> Result<(), TargetError> {
        if !self.link.is_running() {
            return Ok(());
        }
        self.link.writer().request_halt();
        self.link.take_back(LEAVING)?;
        if self.link.is_running() && self.wait(LEAVING)?.is_none() {
            return Err(self.link.lose("it does not halt"));
        }
        Ok(())
    }
}
