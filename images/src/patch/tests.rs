//! A patch: what is made of it is what it was made for, and nothing leaves the
//! ground.

use proptest::prelude::*;

use super::*;

fn apply(ground: &[u8], packed: &[u8], length: usize) -> Result<Vec<u8>, Malformed> {
    let patch = Patch::parse(packed, length)?;
    let streams = patch.streams.map(|stream| match stream.packed {
        [] => Vec::new(),
        packed => zstd::bulk::decompress(packed, stream.length).unwrap(),
    });
    let plan = plan(&streams[0], length, ground.len() as u64)?;
    let mut arena = Arena::default();
    let filled = arena.fill(&plan, |at, buffer| {
        let at = at as usize;
        buffer.copy_from_slice(ground.get(at..at + buffer.len()).ok_or(())?);
        Ok::<_, ()>(())
    });
    assert_eq!(filled, Ok(()), "nothing outside the ground is asked for");
    let mut content = vec![0; length];
    plan.apply(&arena, &streams[1], &streams[2], &mut content)?;
    Ok(content)
}

fn make(ground: &[u8], stretches: &[(usize, usize)], content: &[u8]) -> Vec<u8> {
    let stretches = stretches.iter().map(|(at, len)| (*at as u64, *len));
    let excerpt = Excerpt::read(stretches.collect(), |at, buffer| {
        buffer.copy_from_slice(&ground[at as usize..at as usize + buffer.len()]);
        Ok(())
    });
    Maker::new(19)
        .unwrap()
        .make(&excerpt.unwrap(), content)
        .unwrap()
}

fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new()
        .update(&[seed])
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

#[test]
fn code_whose_addresses_moved_costs_little() {
    let ground = noise(1, 64 << 10);
    let mut content = ground.clone();
    for address in content.chunks_exact_mut(24) {
        address[3] = address[3].wrapping_add(8);
    }
    content.splice(1000..1000, *b"something new");
    content.resize(64 << 10, 0);
    let patch = make(&ground, &[(0, 64 << 10)], &content);
    assert!(patch.len() < 600, "{} bytes", patch.len());
    assert_eq!(apply(&ground, &patch, content.len()).unwrap(), content);
}

#[test]
fn content_like_nothing_in_the_ground_is_literal() {
    let (ground, content) = (noise(1, 8192), noise(2, 8192));
    let patch = make(&ground, &[(0, 8192)], &content);
    assert_eq!(apply(&ground, &patch, 8192).unwrap(), content);
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

fn instructions(numbers: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    numbers.iter().for_each(|value| number(&mut out, *value));
    out
}

#[test]
fn instructions_that_leave_the_ground_or_the_content_are_refused() {
    let ground = 16384;
    assert!(plan(&instructions(&[0, 4096, 0]), 4096, ground).is_ok());
    for wrong in [
        vec![1, 4096, 0],
        vec![2 * 16384, 1, 4095],
        vec![0, 4096, 1],
        vec![0, 4095, 0],
        vec![0, 0, 0, 0, 4096, 0],
        vec![0, u64::MAX, 0],
        vec![u64::MAX - 1, 4096, 0],
        vec![u64::MAX, 4096, 0],
        vec![0, 4096],
        vec![],
    ] {
        let found = plan(&instructions(&wrong), 4096, ground);
        assert!(found.is_err(), "{wrong:?}");
    }
    let long = [&[0x80; 9][..], &[2, 0, 0]].concat();
    assert!(plan(&long, 4096, ground).is_err(), "more than 64 bits");
    // 4096 in two bytes, and in three of which the last says nothing.
    assert!(plan(&[0, 0x80, 0x20, 0], 4096, ground).is_ok());
    assert!(plan(&[0, 0x80, 0xa0, 0, 0], 4096, ground).is_err());
}

#[test]
fn a_patch_that_needs_too_much_ground_at_once_is_refused() {
    // Single bytes, each in a block of its own.
    let far = |count: u64| {
        let mut numbers = vec![];
        for _ in 0..count {
            numbers.extend([2 * 8191, 1, 0]);
        }
        plan(&instructions(&numbers), count as usize, 1 << 40)
    };
    assert!(far(512).is_ok());
    assert!(far(513).is_err());
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let patch = make(&noise(1, 8192), &[(0, 8192)], &noise(1, 8192));
    assert!(Patch::parse(&patch, 8192).is_ok());
    for length in [0, 4096, 8191, 8193] {
        assert!(Patch::parse(&patch, length).is_err(), "{length}");
    }
    for end in 0..patch.len() {
        assert!(Patch::parse(&patch[..end], 8192).is_err(), "{end}");
    }
    assert!(Patch::parse(&[patch.as_slice(), &[0]].concat(), 8192).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_made_of_a_patch_is_what_it_was_made_for(
        seed: u8,
        moves in prop::collection::vec((0usize..60_000, 1usize..4000, any::<u8>()), 1..30),
        two: bool,
    ) {
        let ground = noise(seed, 64 << 10);
        let mut content = Vec::new();
        for (at, length, change) in moves {
            let end = (at + length).min(ground.len());
            content.extend_from_slice(&ground[at..end]);
            if change % 3 == 0 {
                content.push(change);
            }
            if let Some(last) = content.last_mut() {
                *last ^= change;
            }
        }
        let stretches: &[_] = if two { &[(4096, 16384), (40960, 20480)] } else { &[(0, 65536)] };
        let patch = make(&ground, stretches, &content);
        prop_assert_eq!(apply(&ground, &patch, content.len()).unwrap(), content);
    }
}
