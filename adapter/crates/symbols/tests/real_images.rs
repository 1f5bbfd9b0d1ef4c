//! The real target's images, when `HVDAP_XEN_TARGET` names the folder that holds them; else nothing is checked.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test that reads what it is given, and asks other programs"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use symbols::unwind::{Method, Placed, unwind};
use symbols::{Image, LinkVa};

const IMAGES: [&str; 3] = ["xen-syms", "vmlinux-dom0", "vmlinux-domu"];

fn target() -> Option<PathBuf> {
    std::env::var_os("HVDAP_XEN_TARGET").map(PathBuf::from)
}

fn open(file: &str) -> Option<Image> {
    let path = target()?.join(file);
    let bytes = std::fs::read(&path).expect("the target folder holds its images");
    Some(Image::parse(file, Arc::new(bytes)).expect("a real image parses"))
}

#[test]
fn headers_symbols_and_units() {
    for file in IMAGES {
        let Some(image) = open(file) else { return };
        assert_eq!(image.notes(), Vec::<String>::new(), "{file}");
        assert!(image.has_dwarf(), "{file}");
        assert_eq!(image.build_id().map(<[u8]>::len), Some(20), "{file}");
        assert!(image.unit_count() > 100, "{file}");
        let at = image.build_id_address().expect("the build-id is loaded");
        assert_eq!(image.bytes_at(at, 20), image.build_id(), "{file}");
        for unit in 0..image.unit_count() {
            image.unit(unit).expect("a unit opens");
        }
        let function = if file == "xen-syms" {
            "do_xen_version"
        } else {
            "schedule"
        };
        let symbol = image.symbol_named(function).expect("a known function");
        assert!(symbol.is_function && symbol.size > 8, "{symbol:?}");
        let (found, offset) = image
            .symbol_at(LinkVa(symbol.address.0 + 8))
            .expect("its second instruction");
        assert_eq!((found.name, offset), (function, 8));
    }
}

#[test]
fn functions_are_found_by_name_and_by_address() {
    for file in IMAGES {
        let Some(image) = open(file) else { return };
        image.prepare();
        let (mut functions, mut known) = (0, 0);
        for symbol in image
            .symbols()
            .filter(|symbol| symbol.is_function && symbol.size > 16)
        {
            functions += 1;
            let Some(found) = image.function_at(LinkVa(symbol.address.0 + 12)) else {
                continue;
            };
            let named = image.functions_named(symbol.name);
            known += usize::from(named.contains(&found));
        }
        assert_eq!(image.notes(), Vec::<String>::new(), "{file}");
        // The rest is assembly, aliases and parts such as `name.cold` and `name.isra.0`.
        assert!(
            known * 100 > functions * 85,
            "{file}: {known} of {functions}"
        );
    }
}

/// Function addresses that look random and are the same each time.
fn sample(image: &Image, count: usize) -> Vec<u64> {
    let functions: Vec<_> = image
        .symbols()
        .filter(|symbol| symbol.is_function && symbol.size > 16)
        .map(|symbol| (symbol.address.0, symbol.size))
        .collect();
    let mut seed = 1_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed >> 33
    };
    let addresses = (0..count).map(|_| {
        let (start, size) = functions[next() as usize % functions.len()];
        start + 8 + next() % ((size - 8) / 4) * 4
    });
    addresses.collect()
}

/// What addr2line says about each address: function and `file:line` per frame.
fn addr2line(file: &str, addresses: &[u64]) -> Option<BTreeMap<u64, Vec<String>>> {
    let output = Command::new("aarch64-linux-gnu-addr2line")
        .args(["-a", "-i", "-f", "-e"])
        .arg(target()?.join(file))
        .args(addresses.iter().map(|address| format!("{address:#x}")))
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut told: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut at = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(address) = line.strip_prefix("0x") {
            at = u64::from_str_radix(address, 16).expect("an address");
        } else {
            let place = lines.next().unwrap_or_default();
            let place = place.split(" (").next().unwrap_or_default();
            let name = place.rsplit('/').next().unwrap_or_default();
            told.entry(at).or_default().push(format!("{line} {name}"));
        }
    }
    Some(told)
}

#[test]
fn inlined_frames_are_those_of_addr2line() {
    for file in IMAGES {
        let Some(image) = open(file) else { return };
        let addresses = sample(&image, 200);
        let Some(told) = addr2line(file, &addresses) else {
            return;
        };
        let mut wrong = Vec::new();
        for address in &addresses {
            // Inside the instruction, as a return address less one: at a statement's very address the statement wins here.
            let frames = image.frames_at(LinkVa(address + 1));
            let ours: Vec<String> = frames
                .iter()
                .map(|frame| {
                    let position = frame.position.as_ref().expect("a line");
                    let name = position.path.rsplit('/').next().unwrap_or_default();
                    format!("{} {name}:{}", frame.name, position.line)
                })
                .collect();
            if !ours.is_empty() && told.get(address) != Some(&ours) {
                wrong.push((address, ours, told.get(address)));
            }
        }
        // addr2line names the wrong file for a function made by a macro of a header.
        assert!(wrong.len() < 8, "{file}: {wrong:#x?}");
    }
}

#[test]
fn a_known_line_has_its_address() {
    let lines = [
        ("xen-syms", "common/kernel.c", "do_xen_version"),
        ("vmlinux-dom0", "drivers/xen/sys-hypervisor.c", "major_show"),
        ("vmlinux-domu", "drivers/xen/sys-hypervisor.c", "major_show"),
    ];
    for (file, source, name) in lines {
        let Some(image) = open(file) else { return };
        let [id] = image.functions_named(name)[..] else {
            panic!("{file} has one {name}")
        };
        let function = image.function(id);
        let declared = function.position.expect("it is declared somewhere");
        assert!(declared.path.ends_with(source), "{declared:?}");
        let opening = image.addresses_of_line(&|path| path.ends_with(source), declared.line);
        let [place] = &opening[..] else {
            panic!("{file}: {opening:?}")
        };
        assert_eq!(&*place.function, name);
        assert_eq!(Some(place.address), image.body_start(id));
        assert!(function.ranges[0].contains(&place.address));
        let inside = image.addresses_of_line(&|path| path.ends_with(source), declared.line + 2);
        let frames = image.frames_at(inside[0].address);
        assert_eq!(&*frames.last().expect("a function").name, name);
    }
}

/// Memory that is mapped everywhere and holds the same word everywhere.
struct Filled(u64);

impl machine::VirtualMemory for Filled {
    fn read(&self, _: machine::Va, buffer: &mut [u8]) -> Result<(), machine::MemoryFault> {
        for (byte, value) in buffer
            .iter_mut()
            .zip(self.0.to_le_bytes().into_iter().cycle())
        {
            *byte = value;
        }
        Ok(())
    }
}

#[test]
fn a_thousand_instructions_have_a_caller() {
    for file in IMAGES {
        let Some(image) = open(file) else { return };
        let (addresses, mut led_on) = (sample(&image, 1000), 0);
        for address in &addresses {
            let mut regs = machine::Registers::default();
            regs.pc = Some(*address);
            regs.sp = Some(0xffff_0000_0000);
            regs.x = [Some(0xffff_0000_0000); 31];
            regs.pstate = Some(0x3c5);
            let placed = Placed {
                image: &image,
                slide: 0,
            };
            let caller = unwind(Some(placed), &regs, &Filled(0xffff_8000_0000), false);
            led_on += usize::from(caller.is_ok_and(|caller| caller.by != Method::FramePointer));
        }
        // The rest is code around exceptions.
        assert!(led_on > 970, "{file}: {led_on}");
    }
}
