//! How much memory a process has had.

use std::process::Child;
use std::time::Duration;

use journeys::adapter::peak_memory;

/// Waits for a process to end; the most memory it has had, in megabytes.
pub(crate) fn wait_and_peak(child: &mut Child) -> f64 {
    let mut peak = 0;
    loop {
        peak = peak_memory(child.id()).map_or(peak, |now| now.max(peak));
        if !matches!(child.try_wait(), Ok(None)) {
            return megabytes(peak);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As a figure.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
