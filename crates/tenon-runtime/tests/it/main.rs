//! The runtime, tested through its doors.

mod compile;
