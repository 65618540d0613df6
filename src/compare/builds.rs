//! Results as reports name them, and their order in time.

use super::types::Build;
use crate::store::read::ResultData;

/// Sorts results by date, then name, then path; those without a date come first, as the oldest.
///
/// The order of arguments says nothing: "since" must not depend on how a shell glob sorts.
pub(crate) fn by_date(results: &mut [ResultData]) {
    results.sort_by_cached_key(|result| (result.date(), result.name.clone(), result.path.clone()));
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
        date: result.date().map(|date| date.to_string()),
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

/// Makes names of builds differ: equal ones get the name given, then the path, then a number.
fn tell_apart(builds: &mut [Build], results: &[&ResultData]) {
    let further: [fn(&ResultData) -> String; 2] = [
        |result| result.name.clone(),
        |result| result.path.display().to_string(),
    ];
    for more in further {
        for index in repeated(builds) {
            let more = more(results[index]);
            if builds[index].name != more {
                builds[index].name = format!("{} ({more})", builds[index].name);
            }
        }
    }
    for (number, index) in repeated(builds).into_iter().enumerate().skip(1) {
        builds[index].name = format!("{} #{}", builds[index].name, number + 1);
    }
}

/// Returns the indices of builds whose name another one has too.
fn repeated(builds: &[Build]) -> Vec<usize> {
    let mut count = std::collections::BTreeMap::new();
    for build in builds {
        *count.entry(build.name.as_str()).or_insert(0) += 1;
    }
    (0..builds.len())
        .filter(|index| count[builds[*index].name.as_str()] > 1)
        .collect()
}

/// Returns SRC, references and DST as builds with names that differ.
pub(crate) fn named(src: &ResultData, references: &[ResultData], dst: &ResultData) -> Vec<Build> {
    let results: Vec<&ResultData> = std::iter::once(src)
        .chain(references)
        .chain(std::iter::once(dst))
        .collect();
    let mut all: Vec<Build> = results.iter().map(|result| build(result)).collect();
    tell_apart(&mut all, &results);
    all
}
