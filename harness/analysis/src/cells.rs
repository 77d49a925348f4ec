//! What happens to traffic from every group to every other, row by row.

use std::collections::BTreeMap;

use crate::access::{Access, AccessProfile, SideAccess};
use crate::bits::ones;
use crate::intern::Interner;
use crate::sides::PeerClass;

/// The number of sources that are handled together: the bits of a word.
const BLOCK: usize = 64;

/// The largest number of pairs of profiles whose results are kept in a table.
const MOST_IN_TABLE: usize = 1 << 22;

/// The decisions about traffic between the groups of one situation, by side.
pub(crate) struct Sides {
    /// The class of each group's policy, by direction.
    pub(crate) class_of: [Vec<usize>; 2],
    /// What each class decides about every group.
    pub(crate) parts: [Vec<Vec<PeerClass>>; 2],
}

/// Profiles by number, shared by all situations of a universe.
#[derive(Default)]
pub(crate) struct Profiles {
    pub(crate) sides: Interner<AccessProfile<SideAccess>>,
    pub(crate) pairs: Interner<AccessProfile<Access>>,
    pub(crate) met: BTreeMap<(u32, u32), u32>,
}

/// The cells of all situations of a universe.
pub struct Cells {
    size: usize,
    sides: Vec<Sides>,
    profiles: Profiles,
    /// The number of the combined profile of two sides, by both; none until it is needed.
    table: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Cells {
    pub(crate) fn new(size: usize, sides: Vec<Sides>, profiles: Profiles) -> Self {
        let distinct = profiles.sides.len();
        let table =
            if distinct * distinct <= MOST_IN_TABLE { vec![NONE; distinct * distinct] } else { Vec::new() };
        Self { size, sides, profiles, table }
    }

    /// A profile by its number.
    pub fn profile(&self, number: u32) -> &AccessProfile<Access> {
        self.profiles.pairs.get(number)
    }

    /// Passes the row of every group in turn, one for each situation: what happens to its traffic to every group, as
    /// the number of the profile.
    /// number of the profile.
    pub fn each_row(&mut self, mut visit: impl FnMut(&mut Self, usize, &[Vec<u32>])) {
        let mut rows = vec![vec![0; self.size]; self.sides.len()];
        for block in 0..self.size.div_ceil(BLOCK) {
            let ingress: Vec<Vec<[u32; BLOCK]>> =
                (0..self.sides.len()).map(|situation| self.ingress_of_block(situation, block)).collect();
            for source in block * BLOCK..self.size.min((block + 1) * BLOCK) {
                for (situation, row) in rows.iter_mut().enumerate() {
                    self.row(situation, source, &ingress[situation], row);
                }
                visit(self, source, &rows);
            }
        }
    }

    /// What each class of ingress policies decides about the sources of a block.
    fn ingress_of_block(&self, situation: usize, block: usize) -> Vec<[u32; BLOCK]> {
        let classes = self.sides[situation].parts[1].iter();
        let of_class = classes.map(|parts| {
            let mut profiles = [0; BLOCK];
            for part in parts {
                ones(part.peers.word(block)).for_each(|bit| profiles[bit] = part.profile);
            }
            profiles
        });
        of_class.collect()
    }

    fn row(&mut self, situation: usize, source: usize, ingress: &[[u32; BLOCK]], row: &mut [u32]) {
        let sides = &self.sides[situation];
        let mut egress = vec![0; self.size];
        for part in &sides.parts[0][sides.class_of[0][source]] {
            part.peers.iter().for_each(|peer| egress[peer] = part.profile);
        }
        for (destination, cell) in row.iter_mut().enumerate() {
            let class = self.sides[situation].class_of[1][destination];
            *cell = self.meet(egress[destination], ingress[class][source % BLOCK]);
        }
    }

    fn meet(&mut self, egress: u32, ingress: u32) -> u32 {
        let at = egress as usize * self.profiles.sides.len() + ingress as usize;
        match self.table.get(at) {
            Some(&NONE) => {
                let number = self.compute(egress, ingress);
                self.table[at] = number;
                number
            }
            Some(number) => *number,
            None => {
                if let Some(number) = self.profiles.met.get(&(egress, ingress)) {
                    return *number;
                }
                let number = self.compute(egress, ingress);
                self.profiles.met.insert((egress, ingress), number);
                number
            }
        }
    }

    fn compute(&mut self, egress: u32, ingress: u32) -> u32 {
        let profiles = &mut self.profiles;
        let met = profiles.sides.get(egress).meet(profiles.sides.get(ingress));
        profiles.pairs.number(met)
    }
}
