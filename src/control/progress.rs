//! What a run shows while it goes on: lines, or a live block on a terminal.

use std::time::Duration;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A live block when standard error is a terminal, else lines.
    Auto,
    /// Lines with a time.
    Plain,
    /// Nothing.
    None,
}

/// Returns a time as people say it: `12s`, `3m32s`, `1h10m`, `2d3h`. Rounded down to whole seconds.
pub fn spell(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_with_their_two_largest_units() {
        let spelled = |seconds| spell(Duration::from_secs(seconds));
        assert_eq!(spelled(12), "12s");
        assert_eq!(spelled(212), "3m32s");
        assert_eq!(spelled(4200), "1h10m");
        assert_eq!(spelled(180_000), "2d2h");
    }
}
