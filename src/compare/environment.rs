//! What else changed between SRC and DST.

use super::types::Environment;
use crate::store::read::ResultData;

/// Differences, and for SRC, references and DST whether each differs from the one before.
pub(crate) struct Changes {
    pub(crate) differences: Environment,
    pub(crate) changed: Vec<bool>,
}

pub(crate) fn compare(
    _src: &ResultData,
    references: &[ResultData],
    _dst: &ResultData,
    _names: &[String],
) -> Changes {
    Changes {
        differences: Environment::default(),
        changed: vec![false; references.len() + 2],
    }
}
