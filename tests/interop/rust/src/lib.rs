//! Nothing: the suite is in tests/sqs.rs.
