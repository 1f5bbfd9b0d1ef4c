//! The gdb stub asked directly, for what a test does behind the adapter's back while it is not connected.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Bits 47 to 12: the address in a table descriptor with 4 KiB granule (Arm ARM D8.3).
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// A connection to the stub. The machine is halted from then on; dropped without a word, it stays so.
pub struct Stub {
    link: UnixStream,
    got: Vec<u8>,
}

impl Stub {
    /// Connects, which halts the machine.
    ///
    /// # Panics
    /// When there is no stub.
    #[must_use]
    pub fn connect(path: &Path) -> Stub {
        let link = UnixStream::connect(path).expect("the stub listens");
        link.set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a socket can be set up");
        let mut stub = Stub {
            link,
            got: Vec::new(),
        };
        stub.ask("?");
        stub
    }

    /// Sends a packet and returns the answer.
    ///
    /// # Panics
    /// When none comes.
    pub fn ask(&mut self, packet: &str) -> String {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        write!(self.link, "${packet}#{sum:02x}").expect("the stub takes packets");
        loop {
            let begin = self.got.iter().position(|b| *b == b'$');
            let end = self.got.iter().position(|b| *b == b'#');
            if let (Some(begin), Some(end)) = (begin, end)
                && self.got.len() >= end + 3
            {
                let text = String::from_utf8_lossy(&self.got[begin + 1..end]).into_owned();
                self.got.drain(..end + 3);
                self.link.write_all(b"+").expect("the stub takes packets");
                return text;
            }
            let mut chunk = [0; 4096];
            let got = self.link.read(&mut chunk).expect("the stub answers");
            assert!(got > 0, "the stub closed the connection");
            self.got.extend_from_slice(&chunk[..got]);
        }
    }

    /// Writes into Xen's own memory by Xen's own addresses, whichever VM is current.
    ///
    /// # Panics
    /// When Xen does not map the address.
    pub fn write_xen(&mut self, va: u64, bytes: &[u8]) {
        let root = self.register("TTBR0_EL2");
        assert_eq!(self.ask("Qqemu.PhyMemMode:1"), "OK");
        let pa = self.translate(root, va);
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let answer = self.ask(&format!("M{pa:x},{:x}:{digits}", bytes.len()));
        assert_eq!(answer, "OK");
        self.ask("Qqemu.PhyMemMode:0");
    }

    /// Xen's four levels of 4 KiB tables.
    fn translate(&mut self, root: u64, va: u64) -> u64 {
        let mut table = root & ADDRESS;
        for level in 0..4 {
            let shift = 39 - 9 * level;
            let entry = little(&self.ask(&format!("m{:x},8", table + 8 * (va >> shift & 511))));
            assert!(entry & 1 == 1, "Xen does not map {va:#x}");
            if level == 3 || entry & 2 == 0 {
                let low = (1 << shift) - 1;
                return entry & ADDRESS & !low | va & low;
            }
            table = entry & ADDRESS;
        }
        unreachable!("the last level returns")
    }

    fn register(&mut self, name: &str) -> u64 {
        let number = self.number(name);
        little(&self.ask(&format!("p{number:x}")))
    }

    /// A register's number, from the target description.
    fn number(&mut self, name: &str) -> u64 {
        let mut number = 0;
        let top = self.annex("target.xml");
        for file in top
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            let text = self.annex(file);
            for register in text.split("<reg ").skip(1) {
                let attribute = |key: &str| {
                    let rest = register.split_once(&format!("{key}=\""))?.1;
                    rest.split('"').next()
                };
                if let Some(own) = attribute("regnum").and_then(|own| own.parse().ok()) {
                    number = own;
                }
                if attribute("name") == Some(name) {
                    return number;
                }
                number += 1;
            }
        }
        panic!("the stub has no {name}");
    }

    fn annex(&mut self, name: &str) -> String {
        let mut text = String::new();
        loop {
            let part = self.ask(&format!("qXfer:features:read:{name}:{:x},7f0", text.len()));
            text.push_str(&part[1..]);
            if part.starts_with('l') {
                return text;
            }
        }
    }
}

/// Hexadecimal bytes in the order of memory, as a number.
fn little(digits: &str) -> u64 {
    u64::from_str_radix(digits, 16)
        .expect("hexadecimal digits")
        .swap_bytes()
}
