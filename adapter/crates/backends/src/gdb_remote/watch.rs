//! The thread that waits for a running target, so that nobody else has to.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use machine::{Stop, TargetError, TargetEvent, target::EventSink};

use super::wire::Reader;

/// Waits for the stop reply; runs on the watcher's thread.
pub(super) type Wait = Box<dyn FnOnce(&mut Reader) -> Result<Stop, TargetError> + Send>;

type Returned = (Box<Reader>, Result<(), TargetError>);

/// A thread that borrows the read half for one stop at a time. It ends when the watcher is dropped and the connection
/// closed.
#[derive(Debug)]
pub(crate) struct Watcher {
    jobs: Sender<Job>,
    returned: Receiver<Returned>,
}

struct Job {
    reader: Box<Reader>,
    wait: Wait,
    sink: EventSink,
}

impl Watcher {
    pub(crate) fn new() -> io::Result<Self> {
        let (jobs, todo) = mpsc::channel::<Job>();
        let (give_back, returned) = mpsc::channel();
        thread::Builder::new()
            .name("gdb watch".into())
            .spawn(move || {
                for mut job in todo {
                    let stop = (job.wait)(&mut job.reader);
                    let result = stop.clone().map(drop);
                    // The read half goes back first: the receiver of the event may use it at once.
                    let _ = give_back.send((job.reader, result));
                    (job.sink)(match stop {
                        Ok(stop) => TargetEvent::Stopped(stop),
                        Err(error) => TargetEvent::Lost(error),
                    });
                }
            })?;
        Ok(Self { jobs, returned })
    }

    /// Waits once; the result goes to `sink`.
    pub(super) fn start(&mut self, reader: Box<Reader>, wait: Wait, sink: EventSink) {
        let job = Job { reader, wait, sink };
        // The thread lives as long as `jobs` does.
        let _ = self.jobs.send(job);
    }

    /// The read half, when the wait is over within `patience`.
    pub(super) fn done(&self, patience: Duration) -> Option<Returned> {
        if patience.is_zero() {
            return self.returned.try_recv().ok();
        }
        self.returned.recv_timeout(patience).ok()
    }
}
