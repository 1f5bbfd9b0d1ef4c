//! Says a [`Why`] in English.

use super::{Culprit, Verdict, Why};
use crate::store::{Cause, Owner, Party, State, View};

/// Names owners, reads ticks as time.
struct Words<'a> {
    view: View<'a>,
    name: &'a dyn Fn(Owner) -> String,
}

impl Why {
    /// One sentence. Times are seconds since the beginning of the timeline; `name` names vCPUs and cores.
    pub fn sentence(&self, view: View<'_>, name: &dyn Fn(Owner) -> String) -> String {
        let words = Words { view, name };
        let said = match &self.verdict {
            Verdict::Running {
                pcpu,
                in_hypervisor,
            } => words.running(self, *pcpu, *in_hypervisor),
            Verdict::Runnable { .. } => words.runnable(self),
            Verdict::Blocked { .. } => words.blocked(self),
            Verdict::Offline { .. } => {
                format!(
                    "was offline {}: paused, shut down or not started",
                    words.span(self)
                )
            }
            Verdict::Unknown { .. } => words.unknown(self),
        };
        let halted = if self.halted {
            "; the debugger held the machine then"
        } else {
            ""
        };
        let who = words.who(Party(self.lane));
        format!("At {} {who} {said}{halted}.", words.time(self.time))
    }
}

impl Words<'_> {
    fn who(&self, lane: Party) -> String {
        match self.view.owner(lane) {
            Some(owner) => (self.name)(owner),
            None => "nobody".to_owned(),
        }
    }

    fn core(&self, pcpu: u16) -> String {
        (self.name)(Owner::Pcpu(machine::Pcpu(pcpu)))
    }

    fn time(&self, time: u64) -> String {
        let ticks = time.saturating_sub(self.view.first());
        format!("{:.6} s", ticks as f64 / self.view.frequency() as f64)
    }

    /// Three significant digits are enough to blame somebody.
    fn lasting(&self, ticks: u64) -> String {
        let seconds = ticks as f64 / self.view.frequency() as f64;
        match seconds {
            s if s >= 1.0 => format!("{s:.3} s"),
            s if s >= 1e-3 => format!("{:.3} ms", s * 1e3),
            s => format!("{:.3} µs", s * 1e6),
        }
    }

    /// `since 1.200000 s, for 5.000 ms`.
    fn span(&self, why: &Why) -> String {
        let lasted = self.lasting(why.until.saturating_sub(why.since));
        let so_far = if why.ended {
            "for"
        } else {
            "until the end of the trace, so far for"
        };
        format!("since {}, {so_far} {lasted}", self.time(why.since))
    }

    fn running(&self, why: &Why, pcpu: Party, in_hypervisor: bool) -> String {
        let place = pcpu
            .get()
            .map_or("a core".to_owned(), |pcpu| self.core(pcpu));
        let mode = if in_hypervisor {
            "had its core, but the hypervisor ran on its behalf"
        } else {
            "was running"
        };
        format!("{mode} on {place} {}", self.span(why))
    }

    fn runnable(&self, why: &Why) -> String {
        let Verdict::Runnable {
            cause,
            by,
            by_pcpu,
            culprit,
            ran_on,
        } = &why.verdict
        else {
            return String::new();
        };
        let began = self.began(*cause, *by, *by_pcpu);
        let blamed = culprit.map_or(String::new(), |culprit| self.blame(why, &culprit));
        let ran = match ran_on {
            Some(pcpu) => format!(
                "; it ran on {} from {} on",
                self.core(*pcpu),
                self.time(why.until)
            ),
            None => String::new(),
        };
        format!(
            "waited for a core {} ({began}){blamed}{ran}",
            self.span(why)
        )
    }

    fn began(&self, cause: Cause, by: Party, pcpu: Party) -> String {
        let place = pcpu.get().map(|pcpu| format!(" on {}", self.core(pcpu)));
        let place = place.unwrap_or_default();
        match (cause, self.view.owner(by)) {
            (Cause::Woken, Some(_)) => format!("woken by {}{place}", self.who(by)),
            (Cause::Woken, None) => format!("woken{place}, which carried no vCPU"),
            (Cause::Preempted, Some(_)) => format!("preempted by {}{place}", self.who(by)),
            (Cause::Preempted, None) => format!("preempted{place}"),
            (Cause::Yielded, _) => format!("it had yielded{place}"),
            _ => "what made it runnable is not in the trace".to_owned(),
        }
    }

    fn blame(&self, why: &Why, culprit: &Culprit) -> String {
        let core = self.core(culprit.pcpu);
        let since = self.time(culprit.since);
        match culprit.state {
            State::Running | State::Hypervisor => {
                let first = if culprit.since < why.since {
                    " already"
                } else {
                    ""
                };
                let credits = self.credits(why.credit, culprit.credit);
                let who = self.who(culprit.lane);
                format!(" because {who} had {core} since {since}{first}{credits}")
            }
            State::Blocked => format!(" although {core} was idle since {since}"),
            _ => format!("; what {core} did since {since} is not known"),
        }
    }

    fn credits(&self, own: Option<i32>, other: Option<i32>) -> String {
        match (own, other) {
            (Some(own), Some(other)) => format!(" (credit {own} against {other})"),
            (Some(own), None) => format!(" (credit {own})"),
            _ => String::new(),
        }
    }

    fn blocked(&self, why: &Why) -> String {
        let Verdict::Blocked { cause, woken } = &why.verdict else {
            return String::new();
        };
        let what = match cause {
            Cause::Waits => "had asked to wait for an event (WFI or a block call)",
            Cause::Slept => "had been put to sleep",
            _ => "was blocked",
        };
        let woken = woken.map_or(String::new(), |woken| {
            let began = self.began(Cause::Woken, woken.by, woken.pcpu);
            format!("; {began} at {}", self.time(woken.time))
        });
        format!("{what} {}{woken}", self.span(why))
    }

    fn unknown(&self, why: &Why) -> String {
        let Verdict::Unknown {
            lost_on,
            records,
            contradicted,
        } = &why.verdict
        else {
            return String::new();
        };
        let reason = match (lost_on, records, contradicted) {
            (Some(pcpu), Some(records), _) => {
                format!("{records} records of {} were lost", self.core(*pcpu))
            }
            (Some(pcpu), None, _) => format!("records of {} could not be read", self.core(*pcpu)),
            (None, _, true) => "the next record contradicts the one before".to_owned(),
            (None, _, false) if why.since == self.view.first() => {
                "no record has mentioned it yet".to_owned()
            }
            _ => "the records end or were lost".to_owned(),
        };
        format!("did something unknown {}: {reason}", self.span(why))
    }
}
