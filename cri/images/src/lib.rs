//! Images and snapshots.
