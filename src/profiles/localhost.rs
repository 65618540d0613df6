//! localhost
