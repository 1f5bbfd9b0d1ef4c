//! The three kinds of message, as they come in; answers, as they go out.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A message of the client.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// It wants something.
    Request(Request),
    /// It answers a request of ours.
    Response(Response),
}

/// A request of the client.
#[derive(Clone, Debug)]
pub struct Request {
    /// The client's number of it.
    pub seq: i64,
    /// What is wanted.
    pub command: String,
    arguments: Value,
}

/// The client's answer to a request of ours.
#[derive(Clone, Debug)]
pub struct Response {
    /// The number we gave the request.
    pub request_seq: i64,
    /// Its body, or what it says against the request.
    pub result: Result<Value, String>,
}

/// Every field optional: what a message lacks is decided where it is needed.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    seq: i64,
    #[serde(rename = "type")]
    kind: String,
    command: Option<String>,
    #[serde(default)]
    arguments: Value,
    request_seq: Option<i64>,
    #[serde(default)]
    success: bool,
    message: Option<String>,
    #[serde(default)]
    body: Value,
}

impl Incoming {
    /// Reads a message body.
    ///
    /// # Errors
    /// A sentence saying what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let envelope: Envelope = serde_json::from_slice(body)
            .map_err(|error| format!("a message that is not one of the protocol: {error}"))?;
        match (
            envelope.kind.as_str(),
            envelope.command,
            envelope.request_seq,
        ) {
            ("request", Some(command), _) => Ok(Self::Request(Request {
                seq: envelope.seq,
                command,
                arguments: envelope.arguments,
            })),
            ("response", _, Some(request_seq)) => Ok(Self::Response(Response {
                request_seq,
                result: if envelope.success {
                    Ok(envelope.body)
                } else {
                    Err(envelope
                        .message
                        .unwrap_or_else(|| "the client refused without a reason".to_owned()))
                },
            })),
            ("request", None, _) => Err("a request without `command`".to_owned()),
            ("response", _, None) => Err("a response without `request_seq`".to_owned()),
            (kind, ..) => Err(format!("a message of unknown type `{kind}`")),
        }
    }
}

impl Request {
    /// A request as a client would send it, for tests and for requests one makes of oneself.
    #[must_use]
    pub fn new(seq: i64, command: &str, arguments: Value) -> Self {
        Self {
            seq,
            command: command.to_owned(),
            arguments,
        }
    }

    /// The arguments as the command defines them; none at all are an empty object, a null one is none.
    ///
    /// # Errors
    /// A [`Failure`] that names the command and the argument.
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let arguments = match without_nulls(self.arguments.clone()) {
            Value::Null => Value::Object(Map::new()),
            given => given,
        };
        serde_json::from_value(arguments)
            .map_err(|error| Failure::user(format!("`{}`: {error}", self.command)))
    }
}

/// Whose fault a failed request is: decides its error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The user, or the client, asked for what cannot be.
    User = 1000,
    /// The target cannot, or is gone.
    Target = 2000,
    /// This program's.
    Ours = 3000,
}

/// Why a request failed: one plain sentence, and whose fault it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Whose fault.
    pub whose: Whose,
    /// The sentence.
    pub message: String,
}

impl Failure {
    /// The user asked for what cannot be.
    pub fn user(message: impl Into<String>) -> Self {
        Self {
            whose: Whose::User,
            message: message.into(),
        }
    }

    /// The target cannot.
    pub fn target(message: impl Into<String>) -> Self {
        Self {
            whose: Whose::Target,
            message: message.into(),
        }
    }

    /// We cannot.
    pub fn ours(message: impl Into<String>) -> Self {
        Self {
            whose: Whose::Ours,
            message: message.into(),
        }
    }

    /// The `body` of the error response.
    pub(super) fn body(&self) -> Value {
        json!({ "error": { "id": self.whose as i32, "format": self.message } })
    }
}

/// Drops null fields: the protocol has optional fields and no null ones, though some clients send them.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check_refused(body: &str, expected: &str) {
        let said = Incoming::parse(body.as_bytes()).expect_err("must be refused");
        assert!(said.starts_with(expected), "{said}");
    }

    #[test]
    fn what_is_no_message() {
        check_refused("", "a message that is not one of the protocol: EOF");
        check_refused("[]", "a message that is not one of the protocol: ");
        check_refused("{\"seq\":1}", "a message that is not one of the protocol: ");
        check_refused(
            "{\"seq\":1,\"type\":\"request\"}",
            "a request without `command`",
        );
        check_refused(
            "{\"seq\":1,\"type\":\"response\"}",
            "a response without `request_seq`",
        );
        check_refused(
            "{\"seq\":1,\"type\":\"event\"}",
            "a message of unknown type `event`",
        );
        check_refused(
            &"[".repeat(100_000),
            "a message that is not one of the protocol: ",
        );
    }

    #[test]
    fn a_missing_argument_is_named() {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wanted {
            #[allow(dead_code, reason = "only its absence is looked at")]
            thread_id: i64,
        }
        for arguments in ["", ",\"arguments\":{}", ",\"arguments\":null"] {
            let body =
                format!("{{\"seq\":1,\"type\":\"request\",\"command\":\"next\"{arguments}}}");
            let Ok(Incoming::Request(request)) = Incoming::parse(body.as_bytes()) else {
                panic!("a request")
            };
            let failure = request.arguments::<Wanted>().expect_err("no threadId");
            assert_eq!(failure, Failure::user("`next`: missing field `threadId`"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Incoming::parse(&bytes);
        }

        #[test]
        fn any_change_of_one_byte_is_read_or_refused(at in 0usize..70, byte in any::<u8>()) {
            let mut body = br#"{"seq":1,"type":"request","command":"next","arguments":{"threadId":1}}"#.to_vec();
            if let Some(slot) = body.get_mut(at) { *slot = byte; }
            let _ = Incoming::parse(&body);
        }
    }
}
