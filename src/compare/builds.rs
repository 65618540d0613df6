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
        kernels: std::collections::BTreeMap::new(),
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

/// Makes names of builds differ: equal ones get the first of name given and path that tells them
/// apart, else a number.
fn tell_apart(builds: &mut [Build], results: &[&ResultData]) {
    let further: [fn(&ResultData) -> String; 2] = [
        |result| result.name.clone(),
        |result| result.path.display().to_string(),
    ];
    for group in repeated(builds) {
        let label = builds[group[0]].name.clone();
        let differ = |more: &fn(&ResultData) -> String| {
            let all: std::collections::BTreeSet<String> =
                group.iter().map(|index| more(results[*index])).collect();
            all.len() == group.len()
        };
        // The same directory twice: only a number is left.
        let more = further
            .iter()
            .find(|more| differ(more))
            .unwrap_or(&further[0]);
        let mut seen: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        for index in group {
            let name = match more(results[index]) {
                more if more == label => label.clone(),
                more => format!("{label} ({more})"),
            };
            let times = seen.entry(name.clone()).or_default();
            *times += 1;
            builds[index].name = match *times {
                1 => name,
                times => format!("{name} #{times}"),
            };
        }
    }
}

/// Returns the indices of builds that have one name, a list a name.
fn repeated(builds: &[Build]) -> Vec<Vec<usize>> {
    let mut by_name: std::collections::BTreeMap<&str, Vec<usize>> =
        std::collections::BTreeMap::new();
    for (index, build) in builds.iter().enumerate() {
        by_name.entry(&build.name).or_default().push(index);
    }
    by_name
        .into_values()
        .filter(|indices| indices.len() > 1)
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

#[cfg(test)]
mod tests {
    use super::super::records::sample::result;
    use super::*;

    #[test]
    fn builds_of_one_name_are_told_apart_by_as_little_as_does() {
        let at = |build: &str, name: &str, path: &str| {
            let mut data = result(name, Vec::new());
            data.path = path.into();
            data.metadata.values.insert("build".into(), build.into());
            data
        };
        for (results, expected) in [
            (
                [
                    at("1", "a", "x/a"),
                    at("2", "b", "x/b"),
                    at("3", "a", "y/a"),
                ],
                ["1", "2", "3"],
            ),
            (
                [
                    at("1", "a", "x/a"),
                    at("2", "b", "x/b"),
                    at("1", "c", "x/c"),
                ],
                ["1 (a)", "2", "1 (c)"],
            ),
            (
                [at("1", "a", "x/a"), at("1", "a", "y/a"), at("1", "1", "1")],
                ["1 (x/a)", "1 (y/a)", "1"],
            ),
            (
                [
                    at("1", "a", "x/a"),
                    at("1", "b", "x/b"),
                    at("1", "a", "x/a"),
                ],
                ["1 (a)", "1 (b)", "1 (a) #2"],
            ),
        ] {
            let [src, reference, dst] = results;
            let names: Vec<String> = named(&src, &[reference], &dst)
                .into_iter()
                .map(|build| build.name)
                .collect();
            assert_eq!(names, expected);
        }
    }
}
