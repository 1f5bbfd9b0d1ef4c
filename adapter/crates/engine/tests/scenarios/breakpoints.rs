//! Whose breakpoints stop, which are counted and passed over, and how sets are replaced.

use machine::Register;

use crate::fake::{Machine, Move, in_hypervisor, in_vm};
use crate::identity::two_vms;
use crate::session::{
    Wish, at, breakpoints, breakpoints_of, check, counts, happens, pause, resume,
};

/// VM 1 comes by 0x1000 so many times, from elsewhere each time.
fn visits(times: u64) -> Vec<Move> {
    let visit = |time| {
        let there = in_vm(0, 1, 0x1000).with(Register::X(0), time);
        [there, in_vm(0, 1, 0x1004), in_vm(0, 1, 0x100)]
    };
    (1..=times).flat_map(visit).collect()
}

/// Stops at these visits of nine, counted from 1 by `x0`, and says this besides.
#[track_caller]
fn check_visits(wish: Wish, stops: &[u64], said: &[&str]) {
    use crate::session::{Do, ask};
    let wish = Wish {
        at: 0x1000,
        group: Some("VM 1"),
        ..wish
    };
    let go_on = || {
        ask(|engine| {
            if !engine.is_halted() {
                return "runs".to_owned();
            }
            let x0 = crate::session::thread(engine, "VM 1", "vCPU 0");
            let frame = engine::view::FrameRef {
                thread: x0,
                index: 0,
            };
            let group = crate::session::group_id(engine, "VM 1");
            let x0 = engine.evaluate(group, Some(frame), "$x0");
            let _ = engine.resume(None);
            x0.map_or_else(|error| error.to_string(), |item| item.value)
        })
    };
    let deeds: [Do; 12] = std::array::from_fn(|index| match index {
        0 => breakpoints([wish]),
        1 => resume(),
        _ => go_on(),
    });
    let lines = crate::session::transcript(two_vms().plan(visits(9)), deeds);
    let seen: Vec<u64> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("= ")?.parse().ok())
        .collect();
    assert_eq!(seen, stops, "{wish:?}");
    let known = [
        "> continued",
        "> breakpoint in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1",
    ];
    let messages: Vec<&str> = lines
        .iter()
        .filter(|line| line.starts_with("> ") && !known.contains(&line.as_str()))
        .map(|line| &line[2..])
        .collect();
    assert_eq!(messages, said, "{wish:?}");
}

fn hits(text: &'static str) -> Wish {
    Wish {
        hits: Some(text),
        ..Wish::default()
    }
}

fn condition(text: &'static str) -> Wish {
    Wish {
        condition: Some(text),
        ..Wish::default()
    }
}

fn log(text: &'static str) -> Wish {
    Wish {
        log: Some(text),
        ..Wish::default()
    }
}

const ALL: [u64; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

#[test]
fn hit_conditions() {
    check_visits(Wish::default(), &ALL, &[]);
    check_visits(hits(" "), &ALL, &[]);
    check_visits(hits("5"), &[5], &[]);
    check_visits(hits("== 5"), &[5], &[]);
    check_visits(hits(">=8"), &[8, 9], &[]);
    check_visits(hits("> 8"), &[9], &[]);
    check_visits(hits("<=2"), &[1, 2], &[]);
    check_visits(hits("<2"), &[1], &[]);
    check_visits(hits("%3"), &[3, 6, 9], &[]);
    for bad in ["five", "=>5", "5 times", "%0"] {
        let complaint = format!("breakpoint 1: '{bad}' is no hit condition: write 5, >=5 or %10");
        check_visits(hits(bad), &ALL, &[&complaint]);
    }
}

#[test]
fn conditions() {
    check_visits(condition("$x0 == 3"), &[3], &[]);
    check_visits(condition("$x0 % 2"), &[1, 3, 5, 7, 9], &[]);
    check_visits(condition("0"), &[], &[]);
    check_visits(
        Wish {
            hits: Some("2"),
            ..condition("$x0 > 4")
        },
        &[6],
        &[],
    );
}

#[test]
fn log_messages_do_not_stop() {
    check_visits(
        Wish {
            hits: Some(">=8"),
            ..log("x0 is {$x0}, {{")
        },
        &[],
        &["x0 is 8, {{", "x0 is 9, {{"],
    );
    check_visits(
        Wish {
            condition: Some("$x0 == 4"),
            ..log("{nothing}")
        },
        &[],
        &["<VM 1 has no symbol nothing in any image: none is known to run there>"],
    );
}

#[test]
fn a_hit_in_another_vm_is_passed_over() {
    check(
        two_vms().plan([
            in_vm(1, 2, 0x1000),
            in_vm(1, 2, 0x1004),
            in_vm(0, 1, 0x1000),
        ]),
        [breakpoints([at(0x1000, "VM 1")]), resume(), counts()],
        "> continued
         arm 0x1000
         run
         step 1
         run
         > breakpoint in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         = 1 of 1: 1 hits, 1 filtered",
    );
}

#[test]
fn owners_have_sets_of_their_own_and_a_set_keeps_what_it_had() {
    check(
        two_vms().plan(visits(3)),
        [
            breakpoints([at(0x1000, "VM 1"), at(0x3000, "VM 1")]),
            breakpoints_of(2, [at(0x1000, "VM 2"), at(0x1000, "VM 1")]),
            resume(),
            counts(),
            breakpoints([at(0x4000, "VM 1"), at(0x1000, "VM 1")]),
            counts(),
            breakpoints_of(2, []),
            resume(),
            counts(),
        ],
        "> continued
         arm 0x1000
         arm 0x3000
         run
         > breakpoint in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         = 1 of 1: 1 hits, 0 filtered; 2 of 1: 0 hits, 0 filtered; 3 of 2: 0 hits, 1 filtered; 4 of 2: 1 hits, 0 filtered
         = 3 of 2: 0 hits, 1 filtered; 4 of 2: 1 hits, 0 filtered; 5 of 1: 0 hits, 0 filtered; 1 of 1: 1 hits, 0 filtered
         > continued
         disarm 0x3000
         arm 0x4000
         step 0
         run
         > breakpoint in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         = 5 of 1: 0 hits, 0 filtered; 1 of 1: 2 hits, 0 filtered",
    );
}

#[test]
fn set_while_running() {
    check(
        two_vms(),
        [
            resume(),
            breakpoints([at(0x1000, "VM 1")]),
            breakpoints([at(0x1000, "VM 1")]),
            happens(|machine| machine.goes_on([in_vm(0, 1, 0x1000)])),
        ],
        "> continued
         run
         halt
         arm 0x1000
         run
         > breakpoint in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1",
    );
}

#[test]
fn a_refusal_is_told_once_and_taken_back() {
    check(
        two_vms().refusing(0x1000),
        [
            breakpoints([at(0x1000, "VM 1")]),
            resume(),
            pause(),
            resume(),
            happens(Machine::accepts_everything),
            pause(),
            resume(),
            counts(),
        ],
        "> continued
         arm 0x1000
         > breakpoint 1: the fake refused a trap: no comparator is left
         run
         halt
         > paused in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         > continued
         arm 0x1000
         run
         halt
         > paused in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         > continued
         arm 0x1000
         > breakpoint 1: VM 1: 0x1000
         run
         = 1 of 1: 0 hits, 0 filtered",
    );
}

#[test]
fn a_condition_can_ask_whose_code_it_is() {
    let check_stop = |condition: &'static str, stop: &str| {
        let everyone = [
            in_hypervisor(0, 0x1000),
            in_vm(0, 1, 0x1000),
            in_vm(1, 2, 0x1000),
        ];
        let wish = Wish {
            at: 0x1000,
            condition: Some(condition),
            ..Wish::default()
        };
        let seen =
            crate::session::transcript(two_vms().plan(everyone), [breakpoints([wish]), resume()]);
        let told: Vec<&str> = seen
            .iter()
            .filter_map(|line| line.strip_prefix("> "))
            .collect();
        assert_eq!(told, ["continued", stop], "{condition}");
    };
    let second = "breakpoint in VM 2 (VMID 2), vCPU 0 on pCPU 1, EL1";
    let hypervisor = "breakpoint in Hypervisor, pCPU 0, EL2";
    for condition in ["$vmid == 2", "$GUEST == 2", "$pcpu == 1 && $vcpu == 0"] {
        check_stop(condition, second);
    }
    for condition in ["$vmid == -1", "$el == 2", "$vcpu < 0"] {
        check_stop(condition, hypervisor);
    }
}
