use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// A scenario as far as a schedule sees it.
#[derive(Clone, Debug)]
struct Need {
    namespaces: BTreeSet<u8>,
    /// How many sets of names it may have.
    sets: usize,
    /// Whether it has a policy for everybody.
    alone: bool,
    time: Duration,
}

fn need() -> impl Strategy<Value = Need> {
    let sets = prop_oneof![Just(1), Just(3)];
    (btree_set(0..5u8, 1..3), sets, prop::bool::weighted(0.1), 0..9u64).prop_map(
        |(namespaces, sets, alone, time)| Need { namespaces, sets, alone, time: Duration::from_secs(time) },
    )
}

fn conflict(needs: &[Need], (one, its): (usize, usize), (other, others): (usize, usize)) -> bool {
    let (one, other) = (&needs[one], &needs[other]);
    let shares = its == others && !one.namespaces.is_disjoint(&other.namespaces);
    shares || one.alone || other.alone
}

proptest! {
    #[test]
    fn those_that_run_at_once_share_nothing_and_all_of_them_run(
        needs in vec(need(), 1..30),
        ends in vec(any::<prop::sample::Index>(), 30),
        room in 1..9usize,
    ) {
        let times: Vec<Duration> = needs.iter().map(|need| need.time).collect();
        let conflict = |one, other| conflict(&needs, one, other);
        let claims: Vec<BTreeSet<u8>> = needs.iter().map(|need| need.namespaces.clone()).collect();
        let order = longest_chain_first(&times, &claims);
        let mut begun: BTreeMap<usize, usize> = BTreeMap::new();
        let mut waiting: BTreeSet<usize> = (0..needs.len()).collect();
        for end in ends {
            while begun.len() < room {
                let candidates = order.iter().copied().filter(|index| waiting.contains(index));
                let sets = |index: usize| needs[index].sets;
                let Some((index, set)) = first_that_fits(candidates, sets, &begun, conflict) else { break };
                prop_assert!(begun.iter().all(|(other, its)| !conflict((index, set), (*other, *its))));
                prop_assert!(set < needs[index].sets && waiting.remove(&index));
                begun.insert(index, set);
            }
            let under_way: Vec<usize> = begun.keys().copied().collect();
            prop_assert!(!under_way.is_empty() || waiting.is_empty(), "somebody waits for nobody");
            if !under_way.is_empty() {
                begun.remove(end.get(&under_way));
            }
        }
        prop_assert!(waiting.is_empty() && begun.is_empty());
    }
}

#[rstest]
// Three that have to run one after the other begin before a longer one that nobody waits for.
#[case::a_chain(&[(9, "free"), (5, "shop"), (4, "shop"), (3, "shop")], &[1, 2, 3, 0])]
#[case::the_longer_chain(&[(5, "shop"), (4, "bank"), (9, "bank")], &[2, 1, 0])]
#[case::equals_stay_in_order(&[(1, "free"), (1, "free"), (1, "free")], &[0, 1, 2])]
fn the_longest_chain_begins_first(#[case] scenarios: &[(u64, &'static str)], #[case] expected: &[usize]) {
    let times: Vec<Duration> = scenarios.iter().map(|(time, _)| Duration::from_secs(*time)).collect();
    let claims =
        |name: &'static str| BTreeSet::from([name]).into_iter().filter(|name| *name != "free").collect();
    let claims: Vec<BTreeSet<&str>> = scenarios.iter().map(|(_, name)| claims(name)).collect();
    assert_eq!(longest_chain_first(&times, &claims), expected);
}
