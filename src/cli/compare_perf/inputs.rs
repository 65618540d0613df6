//! From arguments to results that are read.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use rayon::prelude::*;
use tracing::{debug, info, warn};

use super::Problem;
use crate::analysis::detect::model::HistoryModel;
use crate::analysis::range_model::RangeModel;
use crate::cli::exit::{COMPARE_USAGE, ExitCode, FAILED, INCOMPLETE};
use crate::compare::{HistoryInputs, Inputs, LineModel};
use crate::store::StoreError;
use crate::store::read::{Include, Reader, ResultData};

/// A result as typed: `PATH` or `NAME:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

impl Named {
    /// Takes the part after the first colon as the path if it exists, else the whole text;
    /// `None` when neither does. Without a name the directory's own is used.
    pub(super) fn new(typed: &OsString) -> Option<Self> {
        if let Some((name, path)) = typed.to_str().and_then(|text| text.split_once(':'))
            && !path.is_empty()
            && Path::new(path).exists()
        {
            let path = PathBuf::from(path);
            let name = if name.is_empty() {
                base_name(&path)
            } else {
                name.to_owned()
            };
            return Some(Self { name, path });
        }
        let path = PathBuf::from(typed);
        path.exists().then(|| Self {
            name: base_name(&path),
            path,
        })
    }
}

/// Returns the directory's name, of `.` and the like that of what they stand for.
fn base_name(path: &Path) -> String {
    let named = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    named(path)
        .or_else(|| named(&path.canonicalize().ok()?))
        .unwrap_or_else(|| path.display().to_string())
}

/// Loads the models of `-l`; one that cannot be used is wrong usage.
pub(super) fn load_models(paths: &[PathBuf], usage: ExitCode) -> Result<Vec<LineModel>, Problem> {
    paths
        .iter()
        .map(|path| match RangeModel::load(path) {
            Ok(model) => Ok(LineModel::new(&path.display().to_string(), &model)),
            Err(error) => {
                let hint = error.hint();
                Err(Problem {
                    code: usage,
                    error: error.into(),
                    hint,
                })
            }
        })
        .collect()
}

/// Loads the model of `--model`; one that cannot be used is wrong usage.
pub(super) fn load_history(
    path: &Path,
    usage: ExitCode,
) -> Result<(String, HistoryModel), Problem> {
    match HistoryModel::load(path) {
        Ok(model) => Ok((path.display().to_string(), model)),
        Err(error) => Err(Problem {
            code: usage,
            hint: error.hint_for_history(),
            error: error.into(),
        }),
    }
}

/// Reads everything, in parallel; the order of the outcome is that of the arguments.
///
/// SRC is always read strictly. A reference that cannot be read is left out and said.
pub(super) fn read(
    positional: &[Named],
    further: &[Named],
    more_dst: &[Named],
    (models, model): (Vec<LineModel>, Option<(String, HistoryModel)>),
    include_incorrect: bool,
    by_client: bool,
) -> Result<Inputs, Problem> {
    let (src, dst, between) = match positional {
        [src, between @ .., dst] => (src, dst, between),
        [one] => (one, one, &[][..]),
        [] => {
            let error = anyhow!("no result directory was given");
            return Err(Problem::new(COMPARE_USAGE, error, Some("name SRC and DST")));
        }
    };
    let references: Vec<&Named> = between.iter().chain(further).collect();
    let dst_at = dst;
    let reader = Reader::default();
    // What one client measured is shown of SRC and DST; of the others only judging asks for it.
    let load = |named: &Named, incorrect, samples| {
        debug!(path = %named.path.display(), "reading");
        let clients = samples || by_client;
        let include = Include {
            incorrect,
            samples,
            clients,
        };
        reader.read(&named.name, &named.path, include)
    };
    let ((src, dst), of_references) = rayon::join(
        || {
            rayon::join(
                || load(src, false, true),
                || load(dst, include_incorrect, true),
            )
        },
        || -> Vec<_> {
            let all = references.par_iter();
            all.map(|named| load(named, include_incorrect, false))
                .collect()
        },
    );
    let (src, dst) = (needed(src)?, needed(dst)?);
    // What cannot be read cannot be judged with DST, and leaving it out would change the verdict.
    let repetitions = distinct(dst_at, more_dst)
        .into_iter()
        .map(|named| needed(load(named, include_incorrect, false)))
        .collect::<Result<Vec<_>, _>>()?;

    let mut notes = Vec::new();
    // A job whose variable was empty would else look fine for ever.
    if src.path == dst.path {
        notes.push("SRC and DST are the same directory: nothing can differ".to_owned());
    }
    let mut kept = Vec::new();
    for (data, named) in of_references.into_iter().zip(&references) {
        match data {
            Ok(data) => kept.push(data),
            Err(error) => {
                warn!(path = %named.path.display(), "reference left out: {}", chain(&error));
                notes.push(format!("the reference {} is left out: {error}", named.name));
            }
        }
    }
    for data in [&src, &dst].into_iter().chain(&kept) {
        for warning in &data.warnings {
            info!(result = %data.name, "{warning}");
        }
        info!(result = %data.name, metrics = data.measurements.len(), failures = data.failures.len(), "read");
    }
    Ok(Inputs {
        src,
        references: kept,
        dst,
        models,
        history: HistoryInputs { model, repetitions },
        notes,
    })
}

/// Returns the repetitions that are neither DST nor named before: a result counts once.
fn distinct<'a>(dst: &Named, more: &'a [Named]) -> Vec<&'a Named> {
    let real = |named: &Named| {
        named
            .path
            .canonicalize()
            .unwrap_or_else(|_| named.path.clone())
    };
    let mut seen = vec![real(dst)];
    more.iter()
        .filter(|named| {
            let place = real(named);
            let new = !seen.contains(&place);
            seen.push(place);
            new
        })
        .collect()
}

/// Takes SRC or DST, without which nothing can be compared.
fn needed(read: Result<ResultData, StoreError>) -> Result<ResultData, Problem> {
    read.map_err(|error| {
        // An empty directory holds nothing to compare; one that cannot be read is another matter.
        let code = if matches!(error, StoreError::NoResult { .. }) {
            INCOMPLETE
        } else {
            FAILED
        };
        let hint = error
            .hint()
            .or_else(|| Some("name a directory that run-perf wrote".into()));
        Problem {
            code,
            error: error.into(),
            hint,
        }
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_only_when_the_path_behind_it_exists() {
        let dir = tempfile::tempdir().expect("a directory");
        let plain = dir.path().join("result_1");
        let colon = dir.path().join("a:b");
        for path in [&plain, &colon] {
            std::fs::create_dir(path).expect("made");
        }
        let typed =
            |text: String| Named::new(&OsString::from(text)).map(|named| (named.name, named.path));
        let of = |name: &str, path: &Path| Some((name.to_owned(), path.to_owned()));
        assert_eq!(
            typed(format!("good:{}", plain.display())),
            of("good", &plain)
        );
        assert_eq!(typed(plain.display().to_string()), of("result_1", &plain));
        assert_eq!(
            typed(colon.display().to_string()),
            of("a:b", &colon),
            "the whole text, when only that exists"
        );
        assert_eq!(typed("good:/no/where".into()), None);
        assert_eq!(
            typed(format!("{}/", plain.display())),
            of("result_1", &dir.path().join("result_1/"))
        );
    }
}
