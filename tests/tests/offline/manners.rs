//! Requests that are wrong, at the wrong time, or no requests at all: an answer, and the session lives on.

use std::time::{Duration, Instant};

use journeys::{Adapter, Session, Transport};
use serde_json::{Value, json};

fn initialize(session: &Session) {
    session.request("initialize", json!({ "adapterID": "anything" }));
}

/// The session still answers as it should.
#[track_caller]
fn alive(session: &Session) {
    session.refused("nothingOfThisName", json!({}));
    session.check();
}

#[track_caller]
fn on_both(journey: fn(&mut Adapter, &Session)) {
    for transport in [Transport::Stdio, Transport::Tcp] {
        let mut adapter = Adapter::start(transport);
        let session = adapter.connect("root");
        journey(&mut adapter, &session);
    }
}

#[test]
fn unknown_requests_are_refused() {
    on_both(|_, session| {
        initialize(session);
        for command in ["", "nothing", "hvdap/nothing", "Initialize"] {
            let why = session.refused(command, json!({}));
            assert!(!why.is_empty());
        }
        alive(session);
    });
}

#[test]
fn requests_before_their_time_are_refused() {
    on_both(|_, session| {
        for command in [
            "threads",
            "configurationDone",
            "stackTrace",
            "continue",
            "attach",
        ] {
            session.refused(command, json!({}));
        }
        initialize(session);
        session.refused("initialize", json!({ "adapterID": "again" }));
        for command in [
            "stackTrace",
            "scopes",
            "variables",
            "continue",
            "evaluate",
            "setBreakpoints",
        ] {
            session.refused(command, json!({}));
        }
        alive(session);
    });
}

#[test]
fn wrong_arguments_are_refused() {
    on_both(|_, session| {
        initialize(session);
        let arguments = [
            Value::Null,
            json!({}),
            json!([]),
            json!("text"),
            json!({ "target": 5 }),
            json!({ "target": "gdb:unix:/nowhere", "machine": 5 }),
            json!({ "target": "gdb:unix:/nowhere", "machine": { "vm": "none" } }),
            json!({ "target": "gdb:unix:/nowhere", "machine": { "no-such-key": 1 } }),
            json!({ "target": "gdb:unix:/nowhere", "machine": { "vm": [{ "name": "a", "imgae": "b" }] } }),
            json!({ "target": "carrier-pigeon:1" }),
        ];
        for arguments in arguments {
            let why = session.refused("attach", arguments.clone());
            assert!(why.len() > 10, "{arguments}: {why:?} says nothing");
        }
        alive(session);
    });
}

#[test]
fn an_unknown_key_is_named() {
    on_both(|_, session| {
        initialize(session);
        let machine = json!({ "vm": [{ "name": "DomU", "imgae": "vmlinux" }] });
        let arguments = json!({ "target": "gdb:unix:/nowhere", "machine": machine });
        let why = session.refused("attach", arguments);
        assert!(why.contains("imgae"), "{why}");
    });
}

#[test]
fn nothing_listening_is_said_within_five_seconds() {
    // Addresses that refuse, that do not exist, and that never answer (a listener with a full backlog is none of these).
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = silent.local_addr().expect("it has an address");
    for target in [
        "gdb:127.0.0.1:1",
        "gdb:unix:/nowhere/gdb.sock",
        &format!("gdb:{silent}"),
    ] {
        on_both_with(target, |session, target| {
            initialize(session);
            let began = Instant::now();
            let why = session.refused("attach", json!({ "target": target }));
            assert!(
                began.elapsed() < Duration::from_secs(6),
                "{target} took {:?}",
                began.elapsed()
            );
            let address = target
                .trim_start_matches("gdb:")
                .trim_start_matches("unix:");
            assert!(why.contains(address), "{why:?} does not name {address}");
            alive(session);
        });
    }
}

#[track_caller]
fn on_both_with(target: &str, journey: fn(&Session, &str)) {
    for transport in [Transport::Stdio, Transport::Tcp] {
        let mut adapter = Adapter::start(transport);
        let session = adapter.connect("root");
        journey(&session, target);
    }
}

#[test]
fn odd_messages_do_not_end_the_session() {
    on_both(|_, session| {
        initialize(session);
        for body in [
            r#"{"seq":90,"type":"request"}"#,
            r#"{"seq":91,"type":"response","request_seq":77,"command":"startDebugging","success":true}"#,
            r#"{"seq":92,"type":"event","event":"stopped"}"#,
            r#"{"type":5}"#,
            "[]",
            "null",
            "not JSON",
            "",
        ] {
            session.raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        }
        // A header of no use to us, and names in another case.
        let body = r#"{"seq":2000,"type":"request","command":"nothing"}"#;
        let header = format!(
            "Content-Type: utf-8\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        session.raw(header.as_bytes());
        session.raw(body.as_bytes());
    });
}

#[test]
fn broken_framing_ends_the_connection_and_nothing_else() {
    for garbage in [
        "GET / HTTP/1.1\r\n\r\n",
        "Content-Length: -5\r\n\r\n",
        "Content-Length: 99999999999999999999\r\n\r\n",
        "Content-Length: 4000000000\r\n\r\n",
    ] {
        let mut adapter = Adapter::start(Transport::Tcp);
        let broken = adapter.connect("broken");
        let other = adapter.connect("other");
        broken.raw(garbage.as_bytes());
        broken.closed();
        initialize(&other);
        alive(&other);
    }
}

#[test]
fn a_client_may_leave_at_any_time() {
    let mut adapter = Adapter::start(Transport::Tcp);
    adapter.connect("silent").hang_up();
    let half = adapter.connect("half");
    half.raw(b"Content-Length: 100\r\n\r\n{\"seq\":");
    half.hang_up();
    let quick = adapter.connect("quick");
    let _unanswered = quick.send("initialize", json!({ "adapterID": "x" }));
    quick.hang_up();
    let patient = adapter.connect("patient");
    initialize(&patient);
    patient.request("disconnect", json!({}));
    patient.closed();
}

#[test]
fn by_standard_input_it_ends_with_the_client() {
    let mut adapter = Adapter::start(Transport::Stdio);
    let session = adapter.connect("root");
    initialize(&session);
    session.hang_up();
    let status = adapter
        .ended(Duration::from_secs(5))
        .expect("it ends by itself");
    assert!(status.success(), "{status}");
}
