//! A machine played from a list of answers, for unit tests.
