//! What an agent is shown is what it may call.

use chrono::TimeDelta;

use crate::histories::{Random, beginning, next, noon};
use crate::world::Everything;

#[test]
fn tools_that_are_listed_are_those_that_may_be_called() {
    let (mut some, mut narrowed) = (0, 0);
    for seed in 0..120 {
        let (mut random, mut world) = (Random::new(seed), Everything::default());
        for happening in beginning() {
            world.apply(happening.id, happening.event);
        }
        let at = noon() + TimeDelta::hours(if seed % 3 == 0 { 2 } else { 0 });
        for _ in 0..60 {
            for happening in next(&world, &mut random) {
                world.apply(happening.id, happening.event);
            }
            for (listed, callable, outside) in world.listings(at) {
                assert_eq!(listed, callable, "seed {seed}");
                some += usize::from(!listed.is_empty());
                narrowed += usize::from(outside);
            }
        }
    }
    assert!(some > 1_000 && narrowed > 20, "{some} lists had tools, {narrowed} were narrowed");
}
