//! Who may ask: a browser on this machine that was given the address, and no page of anybody else's in it.

use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};

/// Bytes of the secret. 128 bits cannot be guessed.
const SECRET: usize = 16;

/// What an address must have in it.
pub(super) struct Guard {
    token: String,
    hosts: [String; 2],
}

impl Guard {
    /// A new secret, for a server on this port of this machine.
    pub(super) fn new(port: u16) -> Result<Self, String> {
        let mut bytes = [0; SECRET];
        getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
        Ok(Self {
            token: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
        })
    }

    /// The address of the page.
    pub(super) fn url(&self) -> String {
        format!("http://{}/{}/", self.hosts[0], self.token)
    }

    /// What is asked for below the secret; `None` for who does not know it.
    pub(super) fn path<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (token, rest) = path.strip_prefix('/')?.split_once('/')?;
        is_same(token.as_bytes(), self.token.as_bytes()).then_some(rest)
    }

    /// Whether the browser means this server. A name that somebody else lets point here (DNS rebinding) is not ours, and a page of
    /// somebody else's tells its origin.
    pub(super) fn is_ours(&self, headers: &HeaderMap) -> bool {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
        let is_host = |host: &str| self.hosts.iter().any(|ours| ours == host);
        let origin = text(ORIGIN);
        let origin = origin.map(|origin| origin.strip_prefix("http://").unwrap_or(""));
        text(HOST).is_some_and(is_host) && origin.is_none_or(is_host)
    }
}

/// Takes as long wherever the first difference is.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(4000).expect("random numbers")
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (guard(), guard());
        assert_eq!(one.token.len() * 4, 128);
        assert_ne!(one.token, other.token);
        assert_eq!(
            one.path(&format!("/{}/request", one.token)),
            Some("request")
        );
        assert_eq!(one.path(&format!("/{}/", one.token)), Some(""));
        let shorter = &one.token[..31];
        for wrong in [
            "/",
            "//",
            "",
            &format!("/{}/", other.token),
            &format!("/{shorter}/"),
        ] {
            assert_eq!(one.path(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn other_names_for_this_machine_are_refused() {
        let check = |host: &str, origin: Option<&str>, ours| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().expect("a value"));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().expect("a value"));
            }
            assert_eq!(guard().is_ours(&headers), ours, "{host} {origin:?}");
        };
        check("127.0.0.1:4000", None, true);
        check("localhost:4000", Some("http://localhost:4000"), true);
        check("127.0.0.1", None, false);
        check("127.0.0.1:4001", None, false);
        check("rebound.example:4000", None, false);
        check("127.0.0.1:4000", Some("http://rebound.example:4000"), false);
        check("127.0.0.1:4000", Some("null"), false);
        assert!(!guard().is_ours(&HeaderMap::new()));
    }
}
