//! xentrace files made by hand (Xen `public/trace.h`): records by pCPU, and a busy machine of any length.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A run state, as Xen numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// On a core.
    Running = 0,
    /// Wants a core.
    Runnable = 1,
    /// Waits for an event.
    Blocked = 2,
}

/// A vCPU: domain and number.
pub type Vcpu = (u16, u16);

const RUN_STATE: u32 = 0x21001;
const WAKE: u32 = 0x28004;
const LOST: u32 = 0x1f001;
const WINDOW: u32 = 0x1f003;

/// The records of a few pCPUs on their way into a file.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pcpus: Vec<Vec<u8>>,
}

impl Records {
    /// A vCPU went from one run state to another.
    pub fn goes(&mut self, pcpu: usize, time: u64, vcpu: Vcpu, from: State, to: State) {
        let number = RUN_STATE | (from as u32) << 8 | (to as u32) << 4;
        let word = u32::from(vcpu.0) << 16 | u32::from(vcpu.1);
        self.add(pcpu, number, time, &[word]);
    }

    /// A vCPU was woken by what ran on this pCPU: first it becomes runnable, then the wake is noted, as Xen does.
    pub fn wakes(&mut self, pcpu: usize, time: u64, vcpu: Vcpu) {
        self.goes(pcpu, time, vcpu, State::Blocked, State::Runnable);
        self.add(pcpu, WAKE, time, &[vcpu.0.into(), vcpu.1.into()]);
    }

    /// Records were dropped.
    pub fn lost(&mut self, pcpu: usize, time: u64, count: u32, since: u64) {
        let words = [count, 0, since as u32, (since >> 32) as u32];
        self.add(pcpu, LOST, time, &words);
    }

    /// Any record with time.
    pub fn add(&mut self, pcpu: usize, number: u32, time: u64, words: &[u32]) {
        if self.pcpus.len() <= pcpu {
            self.pcpus.resize(pcpu + 1, Vec::new());
        }
        let bytes = &mut self.pcpus[pcpu];
        let head = 1 << 31 | (words.len() as u32) << 28 | number;
        let all = [head, time as u32, (time >> 32) as u32];
        bytes.extend(all.iter().chain(words).flat_map(|word| word.to_le_bytes()));
    }

    /// The file: a window for each pCPU.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        let mut file = Vec::new();
        for (pcpu, bytes) in self.pcpus.iter().enumerate() {
            file.extend(window(pcpu, bytes.len()));
            file.extend(bytes);
        }
        file
    }
}

fn window(pcpu: usize, bytes: usize) -> impl Iterator<Item = u8> {
    let words = [2 << 28 | WINDOW, pcpu as u32, bytes as u32];
    words.into_iter().flat_map(u32::to_le_bytes)
}

/// pCPUs of the busy machine, and vCPUs that each of them is shared by.
const PCPUS: usize = 8;
const SHARING: usize = 4;
/// Turns in a window.
const WINDOW_TURNS: usize = 1024;

/// Writes the trace of a machine of eight pCPUs under load: run-state changes alone, as with a mask of 0x21000. On each, four vCPUs
/// of two domains take turns of some microseconds, and half of those that leave wait for an event first.
///
/// # Errors
/// When the file cannot be written.
pub fn busy(path: &Path, records: usize) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut cores: Vec<Core> = (0..PCPUS).map(Core::new).collect();
    let mut written = 0;
    while written < records {
        for core in &mut cores {
            let mut records = Records::default();
            for _ in 0..WINDOW_TURNS {
                written += core.turn(&mut records);
            }
            let bytes = &records.pcpus[0];
            let head: Vec<u8> = window(core.pcpu, bytes.len()).collect();
            file.write_all(&head)?;
            file.write_all(bytes)?;
        }
    }
    file.flush()
}

/// A pCPU of the busy machine.
struct Core {
    pcpu: usize,
    time: u64,
    random: u64,
    /// The one that runs, first; then those that wait for the core, and for an event.
    runnable: Vec<Vcpu>,
    blocked: Vec<Vcpu>,
}

impl Core {
    fn new(pcpu: usize) -> Self {
        let vcpu = |n: usize| ((n % 2) as u16, (pcpu * SHARING / 2 + n / 2) as u16);
        Self {
            pcpu,
            time: 1_000_000_000,
            random: 0x9e37_79b9_7f4a_7c15 ^ pcpu as u64,
            runnable: (0..SHARING).map(vcpu).collect(),
            blocked: Vec::new(),
        }
    }

    /// The first gives the core to the second. Tells how many records that took.
    fn turn(&mut self, records: &mut Records) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.time += 50 + (self.random >> 20) % 1000;
        let mut count = 2;
        if self.runnable.len() < 3 {
            let woken = self.blocked.remove(0);
            records.goes(0, self.time - 20, woken, State::Blocked, State::Runnable);
            self.runnable.push(woken);
            count += 1;
        }
        let first = self.runnable.remove(0);
        let leaves_for = match self.random >> 63 {
            0 => State::Runnable,
            _ => State::Blocked,
        };
        records.goes(0, self.time, first, State::Running, leaves_for);
        records.goes(
            0,
            self.time,
            self.runnable[0],
            State::Runnable,
            State::Running,
        );
        match leaves_for {
            State::Blocked => self.blocked.push(first),
            _ => self.runnable.push(first),
        }
        count
    }
}
