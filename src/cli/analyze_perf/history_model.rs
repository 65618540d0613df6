//! `--model` and `--accept`: the history model, with what was accepted before.

use anyhow::{Context, anyhow};
use tracing::info;

use super::{Options, Problem};
use crate::analysis::detect::backtest::Backtest;
use crate::analysis::detect::file::HistoryFile;
use crate::analysis::detect::model::{self, Accepted, HistoryModel};
use crate::analysis::detect::train::{Settings, train};
use crate::analysis::detect::training::Training;
use crate::analysis::model_file::{self, ModelError};
use crate::cli::exit::FAILED;
use crate::cli::output::Target;

/// Trains a history model and returns the text of its file.
pub(super) fn history_model(
    options: &Options,
    target: &Target,
    training: &Training,
) -> Result<String, Problem> {
    let earlier = earlier(target)?;
    let new = options
        .accept
        .as_ref()
        .map(|(build, note)| accepted(training, build, note))
        .transpose()?;
    let inherited = earlier
        .as_ref()
        .and_then(|earlier| earlier.metadata.accepted.last())
        .map(|last| last.build.clone());
    let last = new.as_ref().map(|new| new.build.clone()).or(inherited);
    let settings = Settings {
        accepted_from: last.and_then(|build| model::night(&training.builds, &build)),
        ..options.settings
    };
    let mut model = train(training, settings);
    if let Some(earlier) = &earlier {
        // A new acceptance replaces the levels, not the record of the earlier ones.
        if new.is_some() {
            model
                .metadata
                .accepted
                .clone_from(&earlier.metadata.accepted);
        } else {
            model.inherit(earlier);
        }
    }
    model.metadata.accepted.extend(new);
    info!(
        nights = model.metadata.builds.len(),
        metrics = model.metrics.len(),
        "history model trained"
    );
    let text = model.to_text().context("cannot write the model as JSON")?;
    Ok(text)
}

/// Loads the model that is about to be replaced: what was accepted in it must not get lost.
fn earlier(target: &Target) -> Result<Option<HistoryModel>, Problem> {
    let Target::File(path) = target else {
        return Ok(None);
    };
    match HistoryModel::load(path) {
        Ok(model) => Ok(Some(model)),
        Err(ModelError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(Problem {
            code: FAILED,
            error: anyhow::Error::new(error).context("cannot keep what was accepted before"),
            hint: Some("move that file away, or write the model to another one".into()),
        }),
    }
}

/// Returns the acceptance of a build, which must be among the nights.
fn accepted(training: &Training, build: &str, note: &str) -> Result<Accepted, Problem> {
    if model::night(&training.builds, build).is_none() {
        let newest: Vec<String> = training
            .builds
            .iter()
            .rev()
            .take(5)
            .map(|build| format!("`{}`", build.label()))
            .collect();
        let error = anyhow!("no night is called `{build}`");
        let hint = format!("the newest ones are {}", newest.join(", "));
        return Err(Problem::usage(error, Some(&hint)));
    }
    let by = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    Ok(Accepted {
        build: build.to_owned(),
        at: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        by: by.unwrap_or_else(|| "unknown".into()),
        note: note.to_owned(),
    })
}

/// Returns the JSON Schema of what the program writes: models of either kind, or a replay.
pub(super) fn schema() -> schemars::Schema {
    let mut generator = schemars::SchemaGenerator::default();
    let history = generator.subschema_for::<HistoryFile>();
    let replay = generator.subschema_for::<Backtest>();
    let range = model_file::schema();
    schemars::json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "what analyze-perf writes",
        "anyOf": [range, history, replay],
        "$defs": generator.take_definitions(true),
    })
}
