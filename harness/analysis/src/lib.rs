//! Questions about whole situations: who reaches what, what differs between two of them, which invariants hold.
//!
//! A *situation* is a topology, the policies in force and the settings of a cluster, compiled into a [`PolicyModel`].
//! Every answer comes from that model, by groups of endpoints that no policy distinguishes and by intervals of ports
//! between the boundaries in policies. Neither pods nor ports are enumerated.
//!
//! Pure: no I/O, no clock. Must not know any observation.
//!
//! [`PolicyModel`]: verdikt_engine::model::PolicyModel

pub mod access;
pub mod cells;
pub mod describe;
pub mod diff;
pub mod end;
pub mod future;
pub mod invariant;
pub mod matrix;
pub mod question;
pub mod reason;
pub mod render;
pub mod universe;

mod bits;
mod intern;
mod partition;
mod peers;
mod sides;
