use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::*;
use crate::wire::Frames;

/// Every command of the protocol this adapter could be sent, and some that are none.
const COMMANDS: &[&str] = &[
    "attach",
    "cancel",
    "configurationDone",
    "continue",
    "disassemble",
    "evaluate",
    "hvdap/breakpointStats",
    "hvdap/groups",
    "hvdap/schedule",
    "hvdap/scheduleStats",
    "hvdap/subscribe",
    "hvdap/traceControl",
    "hvdap/why",
    "initialize",
    "launch",
    "modules",
    "next",
    "no such command",
    "pause",
    "readMemory",
    "scopes",
    "setBreakpoints",
    "setExceptionBreakpoints",
    "setFunctionBreakpoints",
    "setInstructionBreakpoints",
    "source",
    "stackTrace",
    "stepIn",
    "stepOut",
    "terminate",
    "threads",
    "variables",
    "",
];

/// Sends requests as one client, hangs up, and returns every message of the adapter.
async fn talk(requests: &[(String, Value)]) -> Vec<Value> {
    let (client, adapter) = tokio::io::duplex(1 << 16);
    let (input, output) = tokio::io::split(adapter);
    let served = tokio::spawn(serve(Hub::new(None), input, output, Transport::Stdio));
    let (reading, mut writing) = tokio::io::split(client);
    let messages = tokio::spawn(async move {
        let mut frames = Frames::new(reading);
        let mut messages = Vec::new();
        while let Ok(Some(body)) = frames.next().await {
            messages.push(parse(&body));
        }
        messages
    });
    for (index, (command, arguments)) in requests.iter().enumerate() {
        let request = json!({ "seq": index + 1, "type": "request", "command": command, "arguments": arguments });
        let body = request.to_string();
        let frame = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        // It may have ended the connection.
        let _ = writing.write_all(frame.as_bytes()).await;
    }
    let _ = writing.shutdown().await;
    served.await.expect("no panic");
    messages.await.expect("no panic")
}

fn parse(body: &BytesMut) -> Value {
    serde_json::from_slice(body).expect("the adapter sends JSON")
}

fn answers(messages: &[Value]) -> Vec<(i64, bool)> {
    messages
        .iter()
        .filter(|message| message["type"] == "response")
        .map(|message| {
            let seq = message["request_seq"].as_i64().expect("a number");
            (seq, message["success"] == true)
        })
        .collect()
}

fn arguments() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "threadId",
        "frameId",
        "source",
        "path",
        "breakpoints",
        "line",
        "name",
        "expression",
        "memoryReference",
        "instructionCount",
        "count",
        "offset",
        "variablesReference",
        "start",
        "requestId",
        "sourceReference",
        "events",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(0x)?[0-9a-f]{0,20}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5).prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_request_gets_one_answer(
        requests in prop::collection::vec((prop::sample::select(COMMANDS), arguments()), 0..12),
        initialized in any::<bool>(),
    ) {
        let first = initialized.then(|| ("initialize".to_owned(), json!({})));
        let requests: Vec<(String, Value)> = first.into_iter()
            .chain(requests.into_iter().map(|(command, arguments)| (command.to_owned(), arguments)))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let messages = runtime.block_on(talk(&requests));
        let mut answered: Vec<i64> = answers(&messages).into_iter().map(|(seq, _)| seq).collect();
        answered.sort_unstable();
        prop_assert_eq!(answered, (1..=requests.len() as i64).collect::<Vec<_>>());
        let numbers: Vec<i64> = messages.iter().map(|message| message["seq"].as_i64().expect("a number")).collect();
        prop_assert!(numbers.windows(2).all(|two| two[0] < two[1]));
    }
}

#[tokio::test]
async fn breakpoints_before_there_is_a_machine_are_kept() {
    let wanted = json!({ "breakpoints": [{ "name": "DomU!main" }, { "name": "main" }] });
    let messages = talk(&[
        ("initialize".to_owned(), json!({})),
        ("setFunctionBreakpoints".to_owned(), wanted),
    ])
    .await;
    let set = &messages[2]["body"]["breakpoints"];
    assert_eq!(set.as_array().map(Vec::len), Some(2), "{set}");
    assert_eq!(set[0]["verified"], false);
    assert_ne!(set[0]["id"], set[1]["id"]);
}

#[tokio::test]
async fn nothing_after_a_disconnect_is_answered() {
    let requests =
        ["initialize", "disconnect", "threads"].map(|command| (command.to_owned(), json!({})));
    let talking = tokio::time::timeout(Duration::from_secs(5), talk(&requests));
    let messages = talking.await.expect("the connection ends");
    assert_eq!(answers(&messages), [(1, true), (2, true)]);
}
