use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use rstest::rstest;

use super::begun::AHEAD;
use super::*;

/// A scenario as far as a schedule sees it.
#[derive(Clone, Debug)]
struct Need {
    namespaces: BTreeSet<u8>,
    /// How many sets of names it may have.
    sets: usize,
    /// Whether it has a policy for everybody.
    alone: bool,
    /// Whether it asks for names.
    asks: bool,
    time: Duration,
}

fn need() -> impl Strategy<Value = Need> {
    let sets = prop_oneof![Just(1), Just(3)];
    let asks = prop::bool::weighted(0.3);
    (btree_set(0..5u8, 1..3), sets, prop::bool::weighted(0.1), asks, 0..9u64).prop_map(
        |(namespaces, sets, alone, asks, time)| {
            let time = Duration::from_secs(time);
            Need { namespaces, sets, alone, asks, time }
        },
    )
}

fn overlap(needs: &[Need], (one, its): (usize, usize), (other, others): (usize, usize)) -> Overlap {
    let (one, other) = (&needs[one], &needs[other]);
    if its == others && !one.namespaces.is_disjoint(&other.namespaces) {
        return Overlap::Pods;
    }
    match (one.alone || other.alone, one.asks && other.asks) {
        (_, true) => Overlap::Claim,
        (true, false) => Overlap::Policies,
        (false, false) => Overlap::None,
    }
}

proptest! {
    #[test]
    fn those_that_run_at_once_share_nothing_and_all_of_them_run(
        needs in vec(need(), 1..30),
        ends in vec(any::<prop::sample::Index>(), 30),
        room in 1..9usize,
    ) {
        let times: Vec<Duration> = needs.iter().map(|need| need.time).collect();
        let overlap = |one, other| overlap(&needs, one, other);
        let claims: Vec<BTreeSet<u8>> = needs.iter().map(|need| need.namespaces.clone()).collect();
        let order = longest_chain_first(&times, &claims);
        let mut begun = BegunScenarios::default();
        let mut under_way: BTreeSet<usize> = BTreeSet::new();
        let mut waiting: BTreeSet<usize> = (0..needs.len()).collect();
        for end in ends {
            begun.keep(&under_way);
            begun.let_in(&order, overlap);
            while under_way.len() < room {
                let candidates: Vec<usize> =
                    order.iter().copied().filter(|index| waiting.contains(index)).collect();
                let sets = |index: usize| needs[index].sets;
                let Some((index, set, how)) = begun.first_that_fits(&candidates, sets, overlap) else { break };
                prop_assert!(set < needs[index].sets && waiting.remove(&index) && under_way.insert(index));
                let with = |all: &BTreeMap<usize, usize>| {
                    all.iter().map(|(other, its)| overlap((index, set), (*other, *its))).collect::<Vec<_>>()
                };
                prop_assert!(with(&begun.ahead).iter().all(|overlap| *overlap != Overlap::Pods));
                let of_those_in_force = with(&begun.in_force);
                let is_free = of_those_in_force.iter().all(|overlap| *overlap == Overlap::None);
                prop_assert!(of_those_in_force.iter().all(|overlap| *overlap != Overlap::Pods));
                prop_assert_eq!(is_free, how == StartKind::InForce);
                match how {
                    StartKind::InForce => begun.in_force.insert(index, set),
                    StartKind::Ahead => begun.ahead.insert(index, set),
                };
                prop_assert!(begun.ahead.len() <= AHEAD);
            }
            prop_assert!(!begun.in_force.is_empty() || under_way.is_empty(), "somebody waits for nobody");
            prop_assert!(!under_way.is_empty() || waiting.is_empty(), "somebody waits for nobody");
            let in_force: Vec<usize> = begun.in_force.keys().copied().collect();
            if !in_force.is_empty() {
                under_way.remove(end.get(&in_force));
            }
        }
        prop_assert!(waiting.is_empty() && under_way.is_empty());
    }
}

/// Of two scenarios `ask` each other wait for a claim, `rules` concerns everybody, and `free` nobody.
#[rstest]
#[case::first_of_its_chain("ask", "", "ask free", Some((1, StartKind::Ahead)))]
#[case::enough_wait("ask", "ask ask", "ask free", Some((4, StartKind::InForce)))]
#[case::policies_come_last("free", "", "rules free", Some((2, StartKind::InForce)))]
#[case::policies_wait_where_nothing_else_can_begin("free", "", "rules rules", Some((1, StartKind::Ahead)))]
#[case::nothing("ask", "ask ask", "ask", None)]
fn pods_are_made_ahead_for_those_whose_turn_comes(
    #[case] in_force: &'static str,
    #[case] ahead: &'static str,
    #[case] waiting: &'static str,
    #[case] expected: Option<(usize, StartKind)>,
) {
    let mut kinds: Vec<&'static str> = Vec::new();
    let mut number = |words: &'static str| {
        let words: Vec<&'static str> = words.split_whitespace().collect();
        let first = kinds.len();
        kinds.extend(&words);
        first..first + words.len()
    };
    let numbered = [in_force, ahead, waiting].map(&mut number);
    let [in_force, ahead, waiting] = numbered;
    let all = |indices: std::ops::Range<usize>| indices.map(|index| (index, 0)).collect();
    let begun = BegunScenarios { in_force: all(in_force), ahead: all(ahead) };
    let overlap = |(one, _): (usize, usize), (other, _): (usize, usize)| match (kinds[one], kinds[other]) {
        ("ask", "ask") => Overlap::Claim,
        ("rules", _) | (_, "rules") => Overlap::Policies,
        _ => Overlap::None,
    };
    let waiting: Vec<usize> = waiting.collect();
    let found = begun.first_that_fits(&waiting, |_| 1, overlap);
    assert_eq!(found.map(|(index, _, start)| (index, start)), expected);
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
