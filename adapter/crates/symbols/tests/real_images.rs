//! The real target's images, when `HVDAP_XEN_TARGET` names the folder that holds them; else nothing is checked.

use std::path::PathBuf;
use std::sync::Arc;

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
