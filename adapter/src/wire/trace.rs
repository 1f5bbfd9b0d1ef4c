//! The record of every message both ways: one JSON object a line, for bug reports and for checking against the schema.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// A trace file; shared by all connections of the process.
#[derive(Debug)]
pub struct Trace {
    file: Mutex<File>,
    start: Instant,
    connections: AtomicU32,
}

impl Trace {
    /// Creates or empties the file.
    ///
    /// # Errors
    /// As the file system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: Mutex::new(File::create(path)?),
            start: Instant::now(),
            connections: AtomicU32::new(0),
        })
    }

    /// The number the next connection has in the file, from 1.
    pub fn connection(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Writes one line; `direction` is `in` or `out`, `body` a whole JSON message.
    pub fn record(&self, connection: u32, direction: &str, body: &[u8]) {
        let ms = self.start.elapsed().as_secs_f64() * 1e3;
        let body = std::str::from_utf8(body)
            .ok()
            .filter(|body| serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok())
            .map_or_else(
                || serde_json::Value::from(String::from_utf8_lossy(body)).to_string(),
                |body| body.replace(['\n', '\r'], " "),
            );
        let line = format!(
            "{{\"dir\":\"{direction}\",\"connection\":{connection},\"ms\":{ms:.3},\"m\":{body}}}\n"
        );
        let Ok(mut file) = self.file.lock() else {
            return;
        };
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!("the trace file cannot be written: {error}");
        }
    }
}
