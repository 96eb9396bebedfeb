//! Scalars with an encoding of their own, brought into the text form that upstream's encoder gives them.

mod civil;
mod duration;
mod quantity;
mod time;

pub(crate) use duration::{format_duration, parse_duration};
pub(crate) use quantity::canonical_quantity;
pub(crate) use time::{Instant, Precision};
