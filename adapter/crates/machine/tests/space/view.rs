//! Reading through an address space.

use machine::{AddressSpace, MemoryFault, Pa, Regime, Stage1, Va, View, VirtualMemory};

use crate::builder::{Builder, DEVICE, MAIR, Ram, Wide};

/// Pages 0x1000 and 0x2000 far apart in memory, a device at 0x3000, nothing at 0x4000.
fn pages(ram: &Ram) -> AddressSpace {
    let mut builder = Builder::new(12, 39, 1, Wide::No);
    builder.map(ram, 0x1000, 0x8_0000, 3, 0);
    builder.map(ram, 0x2000, 0x3_0000, 3, 0);
    builder.map(ram, 0x3000, 0x900_0000, 3, DEVICE);
    ram.write(0x8_0ff8, 0x8877_6655_4433_2211);
    ram.write(0x3_0000, 0x00ff_eedd_ccbb_aa99);
    AddressSpace {
        stage1: Some(Stage1 {
            regime: Regime::El10,
            enabled: true,
            ttbr0: builder.root,
            ttbr1: 0,
            tcr: 25 | 25 << 16 | 0b10 << 30 | 0b101 << 32,
            mair: MAIR,
        }),
        stage2: None,
    }
}

#[test]
fn reads_across_pages() {
    let ram = Ram::default();
    let view = View::new(&ram, pages(&ram));
    assert_eq!(view.read_u64(Va(0x1ffc)), Ok(0xccbb_aa99_8877_6655));
    assert_eq!(view.read_u32(Va(0x2000)), Ok(0xccbb_aa99));
}

#[test]
fn a_page_is_walked_once() {
    let ram = Ram::default();
    let view = View::new(&ram, pages(&ram));
    let mut whole = [0; 8192];
    view.read(Va(0x1000), &mut whole).expect("mapped");
    assert_eq!(ram.word_reads.get(), 6);
    for at in 0..1000 {
        view.read_u32(Va(0x1000 + 8 * at)).expect("mapped");
    }
    assert_eq!(ram.word_reads.get(), 6);
}

#[test]
fn refuses_devices_and_holes_at_the_first_such_byte() {
    let ram = Ram::default();
    let view = View::new(&ram, pages(&ram));
    assert_eq!(
        view.read_u64(Va(0x2ffc)),
        Err(MemoryFault::Device(Pa(0x900_0000)))
    );
    assert_eq!(
        view.read_u64(Va(0x3008)),
        Err(MemoryFault::Device(Pa(0x900_0008)))
    );
    let expected = MemoryFault::NotMapped {
        stage: 1,
        level: 3,
        kind: "VA",
        address: 0x4123,
        descriptor: 0,
    };
    assert_eq!(view.read_u32(Va(0x4123)), Err(expected));
}

#[test]
fn physical_addresses_as_they_are() {
    let ram = Ram::default();
    ram.write(0x1_0000, 42);
    let view = View::new(&ram, AddressSpace::PHYSICAL);
    assert_eq!(view.read_u64(Va(0x1_0000)), Ok(42));
    let found = view.translate(Va(0x1_0008)).expect("flat");
    assert_eq!((found.pa, found.ipa), (Pa(0x1_0008), None));
}

#[test]
fn a_physical_address_has_at_most_52_bits() {
    let ram = Ram::default();
    let view = View::new(&ram, AddressSpace::PHYSICAL);
    for beyond in [1 << 52, u64::MAX, 0xffff_ffc0_0000_0123] {
        let expected = Err(MemoryFault::OutOfRange(Va(beyond)));
        assert_eq!(view.read_u32(Va(beyond)), expected);
    }
}
