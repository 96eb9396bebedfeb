//! Wire protocols spoken by several parts.
