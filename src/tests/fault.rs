//! Why a tool gave no figures: a class for reports, what happened, the next step.

use super::TestError;

/// A sample that has no figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Class as reports name it.
    pub class: String,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Fault {
    /// Builds one; an empty `hint` is none.
    pub fn new(class: &str, message: impl Into<String>, hint: &str) -> Self {
        Self {
            class: class.into(),
            message: message.into(),
            hint: (!hint.is_empty()).then(|| hint.into()),
        }
    }
}

impl From<Fault> for TestError {
    fn from(
        Fault {
            class,
            message,
            hint,
        }: Fault,
    ) -> Self {
        TestError::Failed {
            class,
            message,
            hint,
        }
    }
}
