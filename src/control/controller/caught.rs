//! Panics of tests and profiles: caught at the edge and turned into failures, so that machines are
//! reverted and the next test runs.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// A defect in a test or profile.
#[derive(Debug, Clone, thiserror::Error)]
#[error("defect in run-perf: {message}, at {place}")]
pub(super) struct Panic {
    pub(super) message: String,
    place: String,
    pub(super) backtrace: String,
}

/// Makes panics that are caught here quiet; their text and backtrace go into the failure record.
/// Other panics are shown as before.
pub fn install_panic_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !CATCHING.get() {
            return before(info);
        }
        let payload = info.payload();
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".into());
        let place = info
            .location()
            .map_or_else(|| "an unknown place".into(), ToString::to_string);
        LAST.set(Some(Panic {
            message,
            place,
            backtrace: Backtrace::force_capture().to_string(),
        }));
    }));
}

/// Runs something that may panic.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    let outer = CATCHING.replace(true);
    // What the panicking code left half done is dropped by the caller together with the failure.
    let result = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    result.map_err(|_| {
        LAST.take().unwrap_or_else(|| Panic {
            message: "no message".into(),
            place: "an unknown place".into(),
            backtrace: String::new(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_text() {
        install_panic_hook();
        let panic = caught(|| -> u32 { panic!("broken {}", 7) }).expect_err("it panicked");
        assert_eq!(panic.message, "broken 7");
        assert!(panic.to_string().contains("caught.rs"), "{panic}");
        assert_eq!(caught(|| 3).ok(), Some(3));
    }
}
