//! What requests to a backend took: never one number, but bounds.

use machine::GuestId;
use schemars::JsonSchema;
use serde::Serialize;
use trace::backend_time::{BackendTime, Question, Split, backend_time, frontends};
use trace::stats::Request;
use trace::store::{Owner, Party};

use super::Reporter;

/// Who answers requests, and what part of their time is nobody's.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// The VM: on Xen usually Dom0.
    pub guest: GuestId,
    /// What an empty round trip takes, in nanoseconds.
    pub floor_ns: u64,
}

impl Default for Backend {
    fn default() -> Self {
        Self {
            guest: GuestId(0),
            floor_ns: 0,
        }
    }
}

/// What the requests of a vCPU took. Times of all of them together, which may overlap, but for `outstandingNs`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendTimes {
    /// The vCPU that sent them: `DomU/0`.
    pub vcpu: String,
    /// The VM that they went to; left out where its vCPUs are not in the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Sent and answered.
    pub requests: usize,
    /// Sent and not answered.
    pub unanswered: usize,
    /// During so many nanoseconds at least one was outstanding.
    pub outstanding_ns: u64,
    /// From sending to the answer, all requests together.
    pub total_ns: u64,
    /// At least so much of that was the backend's.
    pub low_ns: u64,
    /// At most so much.
    pub high_ns: u64,
    /// The bounds come from the guest's own trace alone.
    pub estimated: bool,
    /// Where the time went; left out where it is estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Parts>,
    /// The one that took longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest: Option<Longest>,
}

/// Nanoseconds of all requests together.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parts {
    /// Until the backend was runnable: the send through the hypervisor.
    pub out_ns: u64,
    /// The backend was runnable and had no core.
    pub backend_wait_ns: u64,
    /// The backend ran.
    pub backend_run_ns: u64,
    /// The backend waited, to run again for the request: the device.
    pub device_ns: u64,
    /// The backend was done, the sender runnable without a core.
    pub return_wait_ns: u64,
    /// The backend was done, the sender blocked or running.
    pub delivery_ns: u64,
    /// Not known.
    pub unknown_ns: u64,
}

/// One request.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Longest {
    /// As the guest names it: a sector, a packet's address.
    pub id: u64,
    /// When it was sent, in nanoseconds since the start of the trace.
    pub at_ns: u64,
    /// From sending to the answer.
    pub total_ns: u64,
    /// At least so much of that was the backend's.
    pub low_ns: u64,
    /// At most so much.
    pub high_ns: u64,
}

impl Reporter<'_> {
    pub(super) fn backends(&self, request: &Request, backend: Backend) -> Vec<BackendTimes> {
        let view = self.view;
        let lanes = (0..).zip(view.owners());
        let of_backend = lanes
            .filter(|(_, owner)| matches!(owner, Owner::Vcpu(vcpu) if vcpu.guest == backend.guest));
        let backends: Vec<u16> = of_backend.map(|(lane, _)| lane).collect();
        let floor = u128::from(backend.floor_ns) * u128::from(view.frequency()) / 1_000_000_000;
        let ask = |frontend: u16| {
            // A guest that is its own backend is told nothing by its own vCPUs.
            let own = backends.contains(&frontend);
            let question = Question {
                frontend,
                backends: if own { &[] } else { &backends },
                from: request.from,
                to: request.to,
                floor: floor.try_into().unwrap_or(u64::MAX),
            };
            self.backend_times(&question, backend, &backend_time(view, &question))
        };
        let senders = frontends(view, request.from, request.to);
        senders.into_iter().map(ask).collect()
    }

    fn backend_times(
        &self,
        question: &Question<'_>,
        backend: Backend,
        found: &BackendTime,
    ) -> BackendTimes {
        let took =
            |request: &trace::backend_time::Request| request.done.saturating_sub(request.sent);
        let longest = found.requests.iter().max_by_key(|request| took(request));
        let known = !question.backends.is_empty();
        BackendTimes {
            vcpu: self.who(Party(question.frontend)).unwrap_or_default(),
            backend: known.then(|| self.names.guest(self.view, backend.guest)),
            requests: found.requests.len(),
            unanswered: found.unanswered,
            outstanding_ns: self.ns(found.outstanding),
            total_ns: self.ns(found.requests.iter().map(took).fold(0, u64::saturating_add)),
            low_ns: self.ns(found.low),
            high_ns: self.ns(found.high),
            estimated: found.estimated,
            split: known.then(|| self.parts(found.requests.iter().filter_map(|one| one.split))),
            longest: longest.map(|request| Longest {
                id: request.id,
                at_ns: self.since(request.sent),
                total_ns: self.ns(took(request)),
                low_ns: self.ns(request.low),
                high_ns: self.ns(request.high),
            }),
        }
    }

    fn parts(&self, splits: impl Iterator<Item = Split>) -> Parts {
        let all = splits.fold(Split::default(), |sum, one| Split {
            out: sum.out.saturating_add(one.out),
            backend_wait: sum.backend_wait.saturating_add(one.backend_wait),
            backend_run: sum.backend_run.saturating_add(one.backend_run),
            device: sum.device.saturating_add(one.device),
            return_wait: sum.return_wait.saturating_add(one.return_wait),
            delivery: sum.delivery.saturating_add(one.delivery),
            unknown: sum.unknown.saturating_add(one.unknown),
        });
        Parts {
            out_ns: self.ns(all.out),
            backend_wait_ns: self.ns(all.backend_wait),
            backend_run_ns: self.ns(all.backend_run),
            device_ns: self.ns(all.device),
            return_wait_ns: self.ns(all.return_wait),
            delivery_ns: self.ns(all.delivery),
            unknown_ns: self.ns(all.unknown),
        }
    }
}
