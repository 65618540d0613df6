//! Results as reports name them, and their order in time.

use super::types::Build;
use crate::store::read::ResultData;

/// Sorts results by date, then name, then path; those without a date come first, as the oldest.
///
/// The order of arguments says nothing: "since" must not depend on how a shell glob sorts.
pub(crate) fn by_date(results: &mut [ResultData]) {
    results.sort_by_cached_key(|result| (date(result), result.name.clone(), result.path.clone()));
}

/// Returns when a result was made, RFC 3339.
pub(crate) fn date(result: &ResultData) -> Option<String> {
    let directory = result
        .path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    result
        .metadata
        .date(&directory)
        .map(|date| date.to_string())
}

/// Returns the build as reports name it.
pub(crate) fn build(result: &ResultData) -> Build {
    let known = |key: &str| {
        result
            .metadata
            .get(key)
            .filter(|value| !value.is_empty() && *value != "Unknown")
            .map(str::to_owned)
    };
    let label = known("build");
    Build {
        name: label.clone().unwrap_or_else(|| result.name.clone()),
        path: result.path.display().to_string(),
        build: label,
        date: date(result),
        distro: known("distro"),
        machines: machines(result),
        url: known("url"),
        env_changed: false,
        counts: std::collections::BTreeMap::new(),
    }
}

/// Returns the addresses of the hosts.
pub(crate) fn machines(result: &ResultData) -> Vec<String> {
    let list = result.metadata.get("machine").unwrap_or_default();
    list.split(',')
        .map(str::trim)
        .filter(|address| !address.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Makes names of builds differ: equal ones get the given name or the path behind them.
pub(crate) fn tell_apart(builds: &mut [&mut Build], given: &[String]) {
    let names: Vec<String> = builds.iter().map(|build| build.name.clone()).collect();
    let repeated =
        |name: &str, names: &[String]| names.iter().filter(|other| *other == name).count() > 1;
    for ((build, name), given) in builds.iter_mut().zip(&names).zip(given) {
        if repeated(name, &names) && *name != *given {
            build.name = format!("{name} ({given})");
        }
    }
    let names: Vec<String> = builds.iter().map(|build| build.name.clone()).collect();
    let mut seen = std::collections::BTreeMap::new();
    for (build, name) in builds.iter_mut().zip(&names) {
        let count = seen.entry(name).or_insert(0);
        *count += 1;
        if *count > 1 {
            build.name = format!("{name} #{count}");
        }
    }
}

/// Returns SRC, references and DST as builds with names that differ.
pub(crate) fn named(src: &ResultData, references: &[ResultData], dst: &ResultData) -> Vec<Build> {
    let results: Vec<&ResultData> = std::iter::once(src)
        .chain(references)
        .chain(std::iter::once(dst))
        .collect();
    let mut all: Vec<Build> = results.iter().map(|result| build(result)).collect();
    let given: Vec<String> = results.iter().map(|result| result.name.clone()).collect();
    tell_apart(&mut all.iter_mut().collect::<Vec<_>>(), &given);
    all
}
