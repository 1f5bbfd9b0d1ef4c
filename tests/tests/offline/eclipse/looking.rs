//! Eclipse at a halt: breakpoints, frames, variables, expressions.

use std::path::Path;

use journeys::Session;
use journeys::demo;
use journeys::machine::line_of;
use serde_json::{Value, json};

use super::Eclipse;

#[test]
fn frames_are_twenty_at_most_and_their_sources_are_files() {
    let eclipse = Eclipse::at_the_saved_halt();
    let check = |session: &Session, thread: &str, first: &str| {
        let seen = eclipse.client.select(session, thread);
        assert!(seen.frames.len() <= 20);
        assert_eq!(seen.functions()[0], first);
        for frame in &seen.frames {
            assert!(frame["source"]["sourceReference"].is_null(), "{frame}");
            let path = frame["source"]["path"].as_str().map(Path::new);
            assert!(
                path.is_none_or(|path| path.is_absolute() && path.is_file()),
                "{frame}"
            );
            let numbers = ["id", "line", "column"].map(|key| frame[key].is_i64());
            assert_eq!(numbers, [true; 3], "{frame}");
        }
    };
    check(eclipse.blinky(), "vCPU 0", "sample_store");
    check(eclipse.opened.vm("courier"), "vCPU 0", "clock_ticks");
    check(&eclipse.opened.root, "pCPU 1", "ticks_total");
}

#[test]
fn a_large_array_is_cut_where_no_part_of_it_is_asked_for() {
    let eclipse = Eclipse::at_the_saved_halt();
    let root = &eclipse.opened.root;
    let frame = eclipse.client.select(root, "pCPU 1").frames[0]["id"].clone();
    let asked = json!({ "expression": "hvtrace_rings[0].records", "frameId": frame });
    let body = root.request("evaluate", asked);
    let all = json!({ "variablesReference": body["variablesReference"] });
    let shown = root.request("variables", all)["variables"].clone();
    let length = body["indexedVariables"].as_u64().unwrap_or_default();
    assert!(length > 1000, "{body}");
    assert_eq!(shown.as_array().map(Vec::len), Some(1001));
    assert_eq!(shown[1000]["value"], format!("{} more", length - 1000));
}

#[test]
fn watch_hover_and_console_are_answered() {
    let eclipse = Eclipse::at_the_saved_halt();
    let session = eclipse.blinky();
    let frame = eclipse.frame()["id"].clone();
    let check = |mut arguments: Value, expression: &str, expected: Result<&str, &str>| {
        arguments["expression"] = json!(expression);
        match (session.ask("evaluate", arguments.clone()), expected) {
            (Ok(body), Ok(value)) => assert_eq!(body["result"], value, "{arguments}"),
            (Err(why), Err(part)) => assert!(why.contains(part), "{arguments}: {why}"),
            (answer, _) => panic!("{arguments}: {answer:?}"),
        }
    };
    check(
        json!({ "frameId": frame }),
        "sample->kind",
        Ok("SENSOR_TILT"),
    );
    check(
        json!({ "frameId": frame, "context": "hover" }),
        "sample->kind",
        Ok("SENSOR_TILT"),
    );
    // Without a frame, the one in front of what was looked at last is meant.
    check(
        json!({ "context": "repl" }),
        "sample->kind",
        Ok("SENSOR_TILT"),
    );
    for arguments in [json!({ "frameId": frame }), json!({ "context": "repl" })] {
        check(arguments, "no_such_name", Err("no_such_name"));
    }
}

#[test]
fn a_breakpoint_that_is_not_bound_is_said_in_the_console() {
    let eclipse = Eclipse::at_the_saved_halt();
    let session = eclipse.blinky();
    let source = demo::folder().join("src/blinky/ring.c");
    let check = |line: u32, bound: bool| {
        // Conditions are sent whether they were offered or not.
        let one =
            json!({ "line": line, "column": 1, "condition": "head > 0", "hitCondition": "2" });
        let body = session.request(
            "setBreakpoints",
            json!({
                "source": { "path": source, "name": "ring.c" }, "lines": [line], "breakpoints": [one], "sourceModified": false,
            }),
        );
        assert_eq!(body["breakpoints"][0]["verified"], bound, "{body}");
        let said = session.events("output");
        let not_bound = said
            .iter()
            .filter(|said| said.body.to_string().contains("not bound"));
        assert_eq!(not_bound.count(), usize::from(!bound), "{said:?}");
    };
    check(
        line_of(&source.display().to_string(), "into->slots[head"),
        true,
    );
    check(9999, false);
}
