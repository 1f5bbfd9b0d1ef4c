//! Random mappings agree with a model of them; random registers and memory never panic and always end.

use std::collections::BTreeMap;

use machine::space::DescriptorKind;
use machine::{AddressSpace, MemoryFault, Pa, PhysicalMemory, Regime, Stage1, Stage2, Va};
use proptest::prelude::*;

use crate::builder::{Builder, MAIR, NORMAL2, Ram, Wide, mask};

/// Memory in which every word is a plausible descriptor, made from its address and a seed.
struct Noise(u64);

impl PhysicalMemory for Noise {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let mut word = (address.0 ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word ^= word >> 29;
        word = word.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word ^= word >> 32;
        // Valid seven times in eight, so that walks get somewhere.
        word |= u64::from(word >> 61 != 0);
        for byte in buffer {
            *byte = word as u8;
            word = word.rotate_right(8);
        }
        Ok(())
    }
}

fn registers() -> impl Strategy<Value = AddressSpace> {
    let regime = prop_oneof![Just(Regime::El10), Just(Regime::El20), Just(Regime::El2)];
    let stage1 = (regime, any::<bool>(), any::<[u64; 4]>()).prop_map(
        |(regime, enabled, [ttbr0, ttbr1, tcr, mair])| Stage1 {
            regime,
            enabled,
            ttbr0,
            ttbr1,
            tcr: tcr & !(1 << 7 | 1 << 23),
            mair,
        },
    );
    let stage2 = any::<[u64; 2]>().prop_map(|[vttbr, vtcr]| Stage2 { vttbr, vtcr });
    (prop::option::of(stage1), prop::option::of(stage2))
        .prop_map(|(stage1, stage2)| AddressSpace { stage1, stage2 })
}

/// Leaf level, block number and target of a mapping.
type Wish = (i8, u64, u64);

/// Maps what does not overlap and returns it: start to (size, output).
fn build(
    ram: &Ram,
    builder: &mut Builder,
    wishes: &[Wish],
    attributes: u64,
) -> BTreeMap<u64, (u64, u64)> {
    let mut model: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for &(level, place, target) in wishes {
        let span = builder.span(level);
        let size = 1 << span;
        let input = (place & mask(builder.input_bits)) & !mask(span);
        let output = (target & mask(40)) & !mask(span);
        let overlaps = model
            .range(..input + size)
            .next_back()
            .is_some_and(|(&start, &(size, _))| start + size > input);
        if !overlaps {
            builder.map(ram, input, output, level, attributes);
            model.insert(input, (size, output));
        }
    }
    model
}

fn modelled(model: &BTreeMap<u64, (u64, u64)>, input: u64) -> Option<(u64, u64)> {
    let (&start, &(size, output)) = model.range(..=input).next_back()?;
    let into = input - start;
    (into < size).then(|| (output + into, size - into))
}

/// Places close together share tables; probes hit edges.
fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let place = prop_oneof![0_u64..1 << 24, 0_u64..1 << 32, any::<u64>()];
    prop::collection::vec((2_i8..=3, place, any::<u64>()), 1..12)
}

proptest! {
    #[test]
    fn anything_ends(space in registers(), seed: u64, va: u64) {
        let noise = Noise(seed);
        let walk = space.walk(&noise, Va(va));
        prop_assert!(walk.steps.len() <= 5 * 6 + 5);
        for step in &walk.steps {
            let decoded = space.decode(step, seed % 2 == 1);
            prop_assert_eq!(decoded.output.is_none(), step.kind == DescriptorKind::Invalid);
        }
        if let Ok(found) = walk.outcome {
            prop_assert!(found.size > 0);
        }
        let (mut at, mut count) = (0, 0);
        for (va, found) in space.ranges(&noise, Va(va)..Va(u64::MAX)).take(50) {
            prop_assert!(va.0 >= at || count == 0);
            at = va.0.saturating_add(found.size);
            count += 1;
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn one_stage_agrees_with_the_model(
        (page, input_bits, start) in prop_oneof![
            Just((12, 48, 0)), Just((12, 39, 1)), Just((14, 47, 1)), Just((16, 42, 2)), Just((16, 48, 1)),
        ],
        wishes in wishes(),
        probes in prop::collection::vec(any::<u64>(), 20),
    ) {
        let ram = Ram::default();
        let mut builder = Builder::new(page, input_bits, start, Wide::No);
        let model = build(&ram, &mut builder, &wishes, 0);
        let tg0 = match page { 12 => 0, 14 => 2, _ => 1 };
        let space = AddressSpace {
            stage1: Some(Stage1 {
                regime: Regime::El10,
                enabled: true,
                ttbr0: builder.root,
                ttbr1: 0,
                tcr: u64::from(64 - input_bits) | 1 << 23 | tg0 << 14 | 0b101 << 32,
                mair: MAIR,
            }),
            stage2: None,
        };
        let edges = model.iter().flat_map(|(&start, &(size, _))| [start, start + size - 1, start + size, start.wrapping_sub(1)]);
        for input in probes.iter().copied().chain(edges) {
            let input = input & mask(input_bits);
            let found = space.translate(&ram, Va(input)).ok().map(|found| (found.pa.0, found.size));
            prop_assert_eq!(found, modelled(&model, input), "VA {:#x}", input);
        }
        let listed: BTreeMap<_, _> = space
            .ranges(&ram, Va(0)..Va(u64::MAX))
            .map(|(va, found)| (va.0, (found.size, found.pa.0)))
            .collect();
        prop_assert_eq!(listed, model);
    }

    /// Guest tables and pages are scattered by stage 2, so every stage-1 fetch is translated for itself.
    #[test]
    fn both_stages_agree_with_the_model(wishes in wishes(), moves in prop::collection::vec((any::<u64>(), any::<u64>()), 1..8)) {
        let ram = Ram::default();
        let mut two = Builder::new(12, 40, 0, Wide::No);
        two.root = 0x70_0000_0000;
        two.free = 0x70_0001_0000;
        let offset = 0x20_0000_0000;
        // 64 MiB of guest tables, then what the guest's pages lead to.
        let mut places: Vec<Wish> = (0..32).map(|n| (2, 0x4000_0000 + (n << 21), offset + 0x4000_0000 + (n << 21))).collect();
        let guest_pages = wishes.iter().zip(moves.iter().cycle());
        places.extend(guest_pages.map(|(wish, place)| (3, wish.2, place.1)));
        let second = build(&ram, &mut two, &places, NORMAL2);
        let mut one = Builder::new(12, 48, 0, Wide::No);
        one.offset = offset;
        let first = build(&ram, &mut one, &wishes, 0);
        let space = AddressSpace {
            stage1: Some(Stage1 {
                regime: Regime::El10,
                enabled: true,
                ttbr0: one.root,
                ttbr1: 0,
                tcr: 16 | 1 << 23 | 0b101 << 32,
                mair: MAIR,
            }),
            stage2: Some(Stage2 { vttbr: two.root, vtcr: 24 | 2 << 6 | 0b101 << 16 }),
        };
        for (&start, &(size, _)) in &first {
            for input in [start, start + size / 2, start + size - 1] {
                let found = space.translate(&ram, Va(input)).ok().map(|found| (found.pa.0, found.size));
                let expected = modelled(&first, input).and_then(|(ipa, left)| {
                    modelled(&second, ipa).map(|(pa, size)| (pa, size.min(left)))
                });
                prop_assert_eq!(found, expected, "VA {:#x}", input);
            }
        }
    }
}
