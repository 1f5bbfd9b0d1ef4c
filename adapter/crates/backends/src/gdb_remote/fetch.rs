//! The instruction a core stands at, and what it works on, in one round trip.

use machine::target::Fetched;
use machine::{Pcpu, Register, TargetError, Va};

use super::GdbRemote;
use crate::rsp::hex;

/// Reads memory as the selected thread sees it.
const VIRTUAL: &str = "Qqemu.PhyMemMode:0";
/// Reads physical memory: what everybody else here expects.
const PHYSICAL: &str = "Qqemu.PhyMemMode:1";

impl GdbRemote {
    /// One burst: registers one by one, then the word at the address in the core's own eyes.
    pub(super) fn fetch_as(
        &mut self,
        core: Pcpu,
        address: Va,
        wanted: &[Register],
    ) -> Result<Option<Fetched>, TargetError> {
        let numbers: Option<Vec<u32>> = wanted
            .iter()
            .map(|register| Some(self.description.find(*register)?.number))
            .collect();
        let Some(numbers) = numbers else {
            return Ok(None);
        };
        let mut requests: Vec<String> = self.select(core)?.into_iter().collect();
        let selects = requests.len();
        requests.extend(numbers.iter().map(|number| format!("p{number:x}")));
        requests.push(VIRTUAL.to_owned());
        requests.push(format!("m{:x},4", address.0));
        requests.push(PHYSICAL.to_owned());

        let mut replies = vec![Vec::new(); requests.len()];
        let answered = self.link.in_flight(
            requests.len(),
            &|index, out| out.extend(requests[index].as_bytes()),
            &mut |index, text| replies[index] = text.to_vec(),
        )?;
        let refused = (0..selects)
            .chain([requests.len() - 3, requests.len() - 1])
            .any(|index| replies[index] != b"OK");
        if answered < requests.len() || refused {
            // Asked again later on, in an order nobody can tell, they would mean something else.
            self.current = None;
            self.link.command(PHYSICAL)?;
            return Ok(None);
        }
        self.current = Some(core);
        let mut word = [0; 4];
        let mapped = hex::decode(&replies[requests.len() - 2], &mut word);
        Ok(mapped.then(|| Fetched {
            word: u32::from_le_bytes(word),
            registers: replies[selects..selects + wanted.len()]
                .iter()
                .map(|reply| hex::register(reply))
                .collect(),
        }))
    }
}
