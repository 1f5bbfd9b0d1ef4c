//! hvdemo's account of every vCPU's time: `state`, `state_since` and `time_in`, which count ticks of the counter.

use machine::{GuestId, Pcpu, SysReg, Va, Vcpu};

use super::{BLOCKED, Halt, OFFLINE, RUNNABLE, RUNNING, run_state};
use crate::hypervisor::scheduling::{RunTime, RunTimes};
use crate::mirror::Record;

/// The guest of the idle vCPUs (`HVTRACE_IDLE`).
const IDLE: GuestId = GuestId(0x7fff);

impl Halt<'_> {
    /// Reads the account of every vCPU, of the idle ones too; `None` when nobody tells how fast the counter counts.
    pub(super) fn run_times(&self) -> Option<RunTimes> {
        self.frequency()?;
        let vms = (0..self.layout.vms.count).flat_map(|index| {
            let vcpus = self.vcpus_of(index).into_iter().flatten();
            vcpus.map(move |(vcpu, base)| (GuestId(index as u32), vcpu, base))
        });
        let idle = (0..self.layout.pcpus.count).map(|index| {
            let pcpu = self.layout.pcpus.element(index);
            (IDLE, index as u32, pcpu.offset(self.layout.idle.offset))
        });
        let times = vms.chain(idle).filter_map(|(guest, index, base)| {
            let fields = self.layout.vcpu.scheduling();
            let record = Record::read(self.memory, base, fields).ok()?;
            self.run_time(Vcpu { guest, index }, &record)
        });
        Some(RunTimes {
            vcpus: times.collect(),
            epoch: Some(0),
        })
    }

    fn vcpus_of(&self, index: u64) -> Option<impl Iterator<Item = (u32, Va)> + use<>> {
        let base = self.layout.vms.element(index);
        let vm = Record::read(self.memory, base, self.layout.vm.slots()).ok()?;
        Some(self.vcpus(base, &vm))
    }

    fn run_time(&self, vcpu: Vcpu, record: &Record) -> Option<RunTime> {
        let fields = &self.layout.vcpu;
        Some(RunTime {
            vcpu,
            pcpu: record.get(fields.pcpu).map(|number| Pcpu(number as u16)),
            state: run_state(record.get(fields.state)),
            since: self.nanoseconds(record.get(fields.state_since)?)?,
            times: self.times(record)?,
        })
    }

    /// `vcpu.time_in`, by state, as nanoseconds in the order of [`RunTime::times`].
    pub(super) fn times(&self, record: &Record) -> Option<[u64; 4]> {
        let mut times = [0; 4];
        for (time, state) in times.iter_mut().zip([RUNNING, RUNNABLE, BLOCKED, OFFLINE]) {
            let ticks = record.get(self.layout.vcpu.time_in.element(state, 4))?;
            *time = self.nanoseconds(ticks)?;
        }
        Some(times)
    }

    fn nanoseconds(&self, ticks: u64) -> Option<u64> {
        let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(self.frequency()?);
        u64::try_from(nanoseconds).ok()
    }

    fn frequency(&self) -> Option<u64> {
        let mut cores = self.cores.iter();
        let frequency = cores.find_map(|core| core.sys(SysReg::CntfrqEl0))?;
        (frequency != 0).then_some(frequency)
    }
}
