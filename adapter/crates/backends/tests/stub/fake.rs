//! The stub: a thread that answers one client as a script tells.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use backends::rsp::codec::{self, Decoder, Event};
use backends::rsp::hex;

/// What the stub does about one packet.
pub(crate) enum Act {
    /// Sends a packet.
    Reply(String),
    /// Sends bytes as they are, without acknowledging.
    Raw(Vec<u8>),
    /// Sends bytes in place of a packet, which follows when asked for again.
    Instead(Vec<u8>, Box<Act>),
    /// Says nothing.
    Nothing,
    /// Sends bytes and closes the connection.
    Close(Vec<u8>),
}

/// The requests seen, for the test to look at.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// Starts a stub for one client; gives its target text and the log.
pub(crate) fn stub(script: impl FnMut(&str) -> Act + Send + 'static) -> (String, Log) {
    stub_that_starts_with(b"", script)
}

pub(crate) fn stub_that_starts_with(
    first: &'static [u8],
    mut script: impl FnMut(&str) -> Act + Send + 'static,
) -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let log = Log::default();
    let seen = Arc::clone(&log);
    thread::spawn(move || {
        let (client, _) = listener.accept().expect("a client");
        (&client).write_all(first).expect("it listens");
        serve(client, &mut script, &seen);
    });
    (format!("gdb:{address}"), log)
}

fn serve(mut client: TcpStream, script: &mut dyn FnMut(&str) -> Act, log: &Log) {
    let mut decoder = Decoder::default();
    let mut buffer = [0; 4096];
    let mut acks = true;
    let mut last = Vec::new();
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let mut input = &buffer[..count];
        while !input.is_empty() {
            // Between packets only: the codec skips it.
            let interrupt = input[0] == 3;
            let (used, event) = decoder.next(input);
            input = &input[if interrupt { 1 } else { used }..];
            let request = match event {
                _ if interrupt => "interrupt".to_owned(),
                Some(Event::Packet) => String::from_utf8_lossy(decoder.payload()).into_owned(),
                Some(Event::Nak) => "-".to_owned(),
                _ => continue,
            };
            let mut out = Vec::new();
            if acks && !interrupt && request != "-" {
                out.push(b'+');
            }
            acks &= request != "QStartNoAckMode";
            log.lock().expect("log").push(request.clone());
            let mut act = script(&request);
            if let Act::Instead(bytes, proper) = act {
                if let Act::Reply(text) = *proper {
                    last.clear();
                    codec::encode(text.as_bytes(), &mut last);
                }
                act = Act::Raw(bytes);
            }
            let close = match act {
                Act::Instead(..) => unreachable!("taken apart above"),
                Act::Reply(_) if request == "-" => {
                    out.extend(&last);
                    false
                }
                Act::Reply(text) => {
                    last.clear();
                    codec::encode(text.as_bytes(), &mut last);
                    out.extend(&last);
                    false
                }
                Act::Raw(bytes) => {
                    out = bytes;
                    false
                }
                Act::Nothing => false,
                Act::Close(bytes) => {
                    out = bytes;
                    true
                }
            };
            if client.write_all(&out).is_err() || close {
                return;
            }
        }
    }
}

const DESCRIPTION: &str = r#"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target><architecture>aarch64</architecture><xi:include href="core.xml"/></target>"#;

fn core_xml() -> String {
    let x: String = (0..31)
        .map(|n| format!(r#"<reg name="x{n}" bitsize="64"/>"#))
        .collect();
    format!(
        r#"<feature name="core">{x}<reg name="sp" bitsize="64"/><reg name="pc" bitsize="64"/><reg name="cpsr" bitsize="32"/></feature><!-- # $ }} * -->"#
    )
    .replace("</feature>", r#"<reg name="VBAR" bitsize="64" regnum="70"/><reg name="SP_EL0" bitsize="64"/></feature>"#)
}

fn file(text: &str, at: &str) -> String {
    let (offset, length) = at.split_once(',').expect("offset,length");
    let number = |text: &str| hex::number(text.as_bytes()).expect("hex") as usize;
    let (offset, length) = (number(offset), number(length).min(100));
    let end = (offset + length).min(text.len());
    let letter = if end == text.len() { 'l' } else { 'm' };
    format!("{letter}{}", &text[offset..end])
}

fn hex_text(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    hex::encode(bytes, &mut text);
    String::from_utf8(text).expect("digits")
}

/// The byte of the stub's memory at an address.
pub(crate) fn memory(address: u64) -> u8 {
    (address.wrapping_mul(31) >> 3) as u8
}

/// What QEMU answers. Register n holds 0x100 + n; PSTATE is EL0.
pub(crate) fn qemu(request: &str) -> Act {
    let reply = match request {
        "vCont?" => "vCont;c;C;s;S".into(),
        "qfThreadInfo" => "mp01.01".into(),
        "qsThreadInfo" => "l".into(),
        "?" => "T05thread:p01.01;".into(),
        "g" => {
            let words: String = (0..33u64)
                .map(|n| hex_text(&(0x100 + n).to_le_bytes()))
                .collect();
            words + "00000060"
        }
        // The harness sends the last packet again.
        "-" => String::new(),
        "p21" => "00000060".into(),
        "interrupt" => "T02thread:p01.01;".into(),
        "vCont;c" => return Act::Nothing,
        _ => return qemu_with_arguments(request),
    };
    Act::Reply(reply)
}

fn qemu_with_arguments(request: &str) -> Act {
    let known = |prefix| request.strip_prefix(prefix);
    Act::Reply(if known("qSupported").is_some() {
        "PacketSize=1000;qXfer:features:read+;vContSupported+;multiprocess+".into()
    } else if let Some(at) = known("qXfer:features:read:target.xml:") {
        file(DESCRIPTION, at)
    } else if let Some(at) = known("qXfer:features:read:core.xml:") {
        file(&core_xml(), at)
    } else if let Some(number) = known("p") {
        let number = hex::number(number.as_bytes()).expect("hex");
        hex_text(&(0x100 + number).to_le_bytes())
    } else if let Some((address, size)) = known("m").and_then(|both| both.split_once(',')) {
        let number = |text: &str| hex::number(text.as_bytes()).expect("hex");
        let bytes: Vec<u8> = (0..number(size))
            .map(|n| memory(number(address) + n))
            .collect();
        assert!(bytes.len() <= 0x800);
        hex_text(&bytes)
    } else if known("vCont;s:").is_some() {
        "T05thread:p01.01;".into()
    } else if ["Hg", "Hc", "Qqemu", "Z", "z", "P", "M", "D"]
        .iter()
        .any(|k| known(k).is_some())
    {
        "OK".into()
    } else {
        String::new()
    })
}
