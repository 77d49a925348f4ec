//! Who reaches what: every group against every other, with groups that are treated alike merged.

use std::collections::BTreeMap;

use verdikt_engine::model::PolicyModel;
use verdikt_engine::model_endpoint::ModelEndpoint;
use verdikt_scenario::topology::{Endpoint, LOCAL_NODE, Topology};

use crate::access::{Access, AccessProfile};
use crate::end::TrafficEnd;
use crate::partition::Partition;
use crate::universe::Universe;

/// Ends that are alike in the whole answer: the traffic from each, and to each, is treated in the same way.
#[derive(Clone, Debug)]
pub struct EndClass {
    /// The ends, in order.
    pub ends: Vec<TrafficEnd>,
    /// Whether policies are enforced there.
    pub managed: bool,
}

/// What happens to traffic between all ends of a situation.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The ends.
    pub classes: Vec<EndClass>,
    /// The different profiles.
    pub profiles: Vec<AccessProfile<Access>>,
    /// The number of a profile for each source and destination; none if no policy can decide.
    pub cells: Vec<Vec<Option<u32>>>,
}

impl Matrix {
    /// Evaluates a situation.
    pub fn new(model: &PolicyModel<'_>) -> Self {
        let universe = Universe::new(&[model], []);
        let shown: Vec<(usize, Vec<TrafficEnd>)> = universe
            .groups()
            .iter()
            .enumerate()
            .map(|(number, group)| {
                let ends = group.ends.iter().filter(|end| is_shown(end, model.topology()));
                (number, ends.cloned().collect::<Vec<TrafficEnd>>())
            })
            .filter(|(_, ends)| !ends.is_empty())
            .collect();
        let managed: Vec<bool> = universe
            .groups()
            .iter()
            .map(|group| group.model_endpoints[0].as_ref().is_some_and(ModelEndpoint::is_managed))
            .collect();
        let mut cells = universe.cells();
        let mut rows: Vec<Vec<u32>> = Vec::new();
        let numbers: Vec<usize> = shown.iter().map(|(number, _)| *number).collect();
        cells.each_row(|_, source, row| {
            if numbers.binary_search(&source).is_ok() {
                rows.push(numbers.iter().map(|destination| row[0][*destination]).collect());
            }
        });
        let classes = alike(&rows, &numbers.iter().map(|number| managed[*number]).collect::<Vec<bool>>());
        let mut matrix = Self { classes: Vec::new(), profiles: Vec::new(), cells: Vec::new() };
        let mut known: BTreeMap<u32, u32> = BTreeMap::new();
        for class in &classes {
            let mut ends: Vec<TrafficEnd> =
                class.iter().flat_map(|at| shown[*at].1.iter().cloned()).collect();
            ends.sort();
            matrix.classes.push(EndClass { ends, managed: managed[numbers[class[0]]] });
            let row = classes.iter().map(|other| {
                let (from, to) = (class[0], other[0]);
                let decides = managed[numbers[from]] || managed[numbers[to]];
                decides.then(|| {
                    let number = rows[from][to];
                    *known.entry(number).or_insert_with(|| {
                        matrix.profiles.push(cells.profile(number).clone());
                        u32::try_from(matrix.profiles.len() - 1).unwrap_or(u32::MAX)
                    })
                })
            });
            let row = row.collect();
            matrix.cells.push(row);
        }
        matrix
    }

    /// What happens to traffic between two classes.
    pub fn profile(&self, from: usize, to: usize) -> Option<&AccessProfile<Access>> {
        self.cells[from][to].map(|number| &self.profiles[number as usize])
    }

    /// The number of workloads, hosts and other ends.
    pub fn ends(&self) -> usize {
        self.classes.iter().map(|class| class.ends.len()).sum()
    }
}

/// The rows that are equal in every column, and whose columns are equal too.
fn alike(rows: &[Vec<u32>], managed: &[bool]) -> Vec<Vec<usize>> {
    let size = rows.len();
    // Classes of columns: refined by every row.
    let mut class_of: Vec<u32> = managed.iter().map(|managed| u32::from(*managed)).collect();
    for row in rows {
        let mut classes: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for (class, cell) in class_of.iter_mut().zip(row) {
            let next = u32::try_from(classes.len()).unwrap_or(u32::MAX);
            *class = *classes.entry((*class, *cell)).or_insert(next);
        }
    }
    Partition::by_key(size, |index| (class_of[index], &rows[index])).classes()
}

/// Whether an end is part of an answer that does not name it. Ends that every cluster has are only included if the
/// topology names them, except the DNS server.
pub fn is_shown(end: &TrafficEnd, topology: &Topology) -> bool {
    match end {
        TrafficEnd::Endpoint(Endpoint::Cilium(endpoint)) => topology.cilium.contains(endpoint),
        TrafficEnd::Endpoint(Endpoint::Node(name)) => {
            name.as_str() != LOCAL_NODE || topology.nodes.contains_key(name)
        }
        _ => true,
    }
}
