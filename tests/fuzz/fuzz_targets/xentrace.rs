//! A file of xentrace, read as Xen's tools wrote it and as one of our recordings with its notes.
#![no_main]

use fuzz::exhaust;
use libfuzzer_sys::fuzz_target;
use trace::clock::Frequency;
use trace::format::xen::file::File;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = File::read(bytes) else {
        return;
    };
    exhaust(file.merged());
    let clock = file.notes().clock.map(|clock| clock.frequency);
    let frequency = clock.or(Frequency::new(62_500_000));
    exhaust(file.counted_by(frequency).merged());
});
