//! The sending side of a connection: numbers messages as they are put on the wire, and knows which requests of ours are unanswered.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use super::message::{Failure, Request, Response, without_nulls};
use super::trace::Trace;

/// Where messages for one client are put. Shared by everything that has something to say to it.
#[derive(Debug)]
pub struct Peer {
    state: Mutex<State>,
    trace: Option<(Arc<Trace>, u32)>,
}

#[derive(Debug)]
struct State {
    last_seq: i64,
    wire: Option<mpsc::UnboundedSender<Bytes>>,
    unanswered: HashMap<i64, oneshot::Sender<Result<Value, String>>>,
}

impl Peer {
    /// A peer, and the queue that [`write_all`] empties onto its byte stream.
    #[must_use]
    pub fn new(trace: Option<Arc<Trace>>) -> (Arc<Self>, mpsc::UnboundedReceiver<Bytes>) {
        let (wire, queue) = mpsc::unbounded_channel();
        let trace = trace.map(|trace| {
            let connection = trace.connection();
            (trace, connection)
        });
        let state = Mutex::new(State {
            last_seq: 0,
            wire: Some(wire),
            unanswered: HashMap::new(),
        });
        (Arc::new(Self { state, trace }), queue)
    }

    /// Sends an event; a `body` of null is left out.
    pub fn event(&self, event: &str, body: impl Serialize) {
        let mut message = json!({ "type": "event", "event": event });
        put(&mut message, "body", body);
        self.send(&mut self.state(), message);
    }

    /// Answers a request.
    pub fn respond(&self, request: &Request, result: Result<Value, Failure>) {
        let mut message = json!({ "type": "response", "request_seq": request.seq, "command": request.command, "success": result.is_ok() });
        match result {
            Ok(body) => put(&mut message, "body", body),
            Err(failure) => {
                put(&mut message, "body", failure.body());
                put(&mut message, "message", failure.message);
            }
        }
        self.send(&mut self.state(), message);
    }

    /// Asks the client for something and waits for its answer, at most so long.
    ///
    /// # Errors
    /// What the client says, or that it did not answer.
    pub async fn request(
        &self,
        command: &str,
        arguments: Value,
        at_most: Duration,
    ) -> Result<Value, String> {
        let (answer, answered) = oneshot::channel();
        let seq = {
            let mut state = self.state();
            let seq = self.send(
                &mut state,
                json!({ "type": "request", "command": command, "arguments": arguments }),
            );
            state.unanswered.insert(seq, answer);
            seq
        };
        match tokio::time::timeout(at_most, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err("the connection ended".to_owned()),
            Err(_) => {
                self.state().unanswered.remove(&seq);
                Err(format!(
                    "the client did not answer `{command}` within {at_most:?}"
                ))
            }
        }
    }

    /// Gives an answer of the client to whoever waits for it; an answer to nothing is ignored.
    pub fn answered(&self, response: Response) {
        let waiting = self.state().unanswered.remove(&response.request_seq);
        if let Some(waiting) = waiting {
            let _ = waiting.send(response.result);
        }
    }

    /// Notes a message of the client in the trace.
    pub fn received(&self, body: &[u8]) {
        if let Some((trace, connection)) = &self.trace {
            trace.record(*connection, "in", body);
        }
    }

    /// Ends the queue: what was sent before is still written, what is sent after is dropped.
    pub fn close(&self) {
        let mut state = self.state();
        state.wire = None;
        state.unanswered.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers and queues a message under the lock, so that numbers rise on the wire.
    fn send(&self, state: &mut State, mut message: Value) -> i64 {
        state.last_seq += 1;
        put(&mut message, "seq", state.last_seq);
        let body = ascii(&message);
        if let Some((trace, connection)) = &self.trace {
            trace.record(*connection, "out", &body);
        }
        if let Some(wire) = &state.wire {
            let mut frame = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
            frame.extend_from_slice(&body);
            let _ = wire.send(frame.into());
        }
        state.last_seq
    }
}

/// Writes the queue of a [`Peer`] until it is closed or the client is gone.
///
/// # Errors
/// As the stream says.
pub async fn write_all(
    mut queue: mpsc::UnboundedReceiver<Bytes>,
    mut stream: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some(frame) = queue.recv().await {
        stream.write_all(&frame).await?;
        if queue.is_empty() {
            stream.flush().await?;
        }
    }
    stream.shutdown().await
}

/// Puts a field into a message; null is left out, since the protocol has optional fields and no null ones.
fn put(message: &mut Value, key: &str, value: impl Serialize) {
    let value = serde_json::to_value(value).unwrap_or_else(|error| {
        tracing::error!("`{key}` cannot be written: {error}");
        Value::Null
    });
    if let (Some(fields), false) = (message.as_object_mut(), value.is_null()) {
        fields.insert(key.to_owned(), without_nulls(value));
    }
}

/// JSON with every character outside ASCII escaped: some clients read the stream in another charset than UTF-8.
fn ascii(message: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut bytes, Ascii(CompactFormatter));
    if let Err(error) = message.serialize(&mut serializer) {
        tracing::error!("a message cannot be written: {error}");
    }
    bytes
}

struct Ascii(CompactFormatter);

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.is_ascii() {
            return self.0.write_string_fragment(writer, fragment);
        }
        for unit in fragment.encode_utf16() {
            match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() => writer.write_all(&[byte])?,
                _ => write!(writer, "\\u{unit:04x}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_rise_and_nulls_are_left_out() {
        let (peer, mut queue) = Peer::new(None);
        peer.event("stopped", json!({ "reason": "pause", "text": null }));
        peer.event("initialized", Value::Null);
        peer.respond(
            &Request::new(7, "next", Value::Null),
            Err(Failure::user("no")),
        );
        let mut sent = Vec::new();
        while let Ok(frame) = queue.try_recv() {
            let text = String::from_utf8(frame.to_vec()).expect("ASCII");
            let body = text.split_once("\r\n\r\n").expect("a header").1.to_owned();
            sent.push(serde_json::from_str::<Value>(&body).expect("JSON"));
        }
        assert_eq!(
            sent,
            [
                json!({ "seq": 1, "type": "event", "event": "stopped", "body": { "reason": "pause" } }),
                json!({ "seq": 2, "type": "event", "event": "initialized" }),
                json!({ "seq": 3, "type": "response", "request_seq": 7, "command": "next", "success": false, "message": "no",
                        "body": { "error": { "id": 1000, "format": "no" } } }),
            ]
        );
    }

    #[tokio::test]
    async fn a_request_is_answered_or_given_up() {
        let (peer, mut queue) = Peer::new(None);
        let asking = peer.request("startDebugging", json!({}), Duration::from_secs(5));
        let answering = async {
            let _ = queue.recv().await;
            peer.answered(Response {
                request_seq: 1,
                result: Ok(json!(3)),
            });
        };
        assert_eq!(tokio::join!(asking, answering).0, Ok(json!(3)));
        let ignored = peer
            .request("startDebugging", json!({}), Duration::from_millis(5))
            .await;
        assert_eq!(
            ignored,
            Err("the client did not answer `startDebugging` within 5ms".to_owned())
        );
    }

    proptest! {
        #[test]
        fn any_text_goes_out_as_ascii_and_means_the_same(text in any::<String>()) {
            let bytes = ascii(&json!({ "text": text }));
            prop_assert!(bytes.is_ascii());
            let read: Value = serde_json::from_slice(&bytes).expect("JSON");
            prop_assert_eq!(read["text"].as_str(), Some(text.as_str()));
        }
    }
}
