//! Names of results.
//!
//! A result is named by its directory. Results of equal base name (the same nightly job kept in two
//! folders) get as many parent directories in front as it takes to tell them apart; the older tool
//! let the last one overwrite the others.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Returns a distinct name for each path: its last component, with parents where that is not enough.
///
/// Depends on the set of paths only, not on their order. Paths should be absolute and differ; equal
/// ones keep equal names.
///
/// ```
/// use runperf::analysis::nights::distinct_names;
/// let names = distinct_names(&["/a/1/night".into(), "/a/2/night".into(), "/a/2/other".into()]);
/// assert_eq!(names, ["1/night", "2/night", "other"]);
/// ```
pub fn distinct_names(paths: &[PathBuf]) -> Vec<String> {
    let parts: Vec<Vec<String>> = paths.iter().map(|path| normal_parts(path)).collect();
    let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
    let mut depth = vec![1; paths.len()];
    loop {
        let names: Vec<String> = parts
            .iter()
            .zip(&depth)
            .map(|(parts, depth)| tail(parts, *depth))
            .collect();
        let mut same: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            same.entry(name).or_default().push(index);
        }
        let clashes: Vec<usize> = same
            .into_values()
            .filter(|of| of.len() > 1)
            .flatten()
            .filter(|&index| depth[index] < longest)
            .collect();
        if clashes.is_empty() {
            return names;
        }
        for index in clashes {
            depth[index] += 1;
        }
    }
}

fn normal_parts(path: &Path) -> Vec<String> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect()
}

fn tail(parts: &[String], depth: usize) -> String {
    if parts.is_empty() {
        "/".to_owned()
    } else {
        parts[parts.len().saturating_sub(depth)..].join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        distinct_names(&paths.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn only_what_clashes_gets_longer() {
        assert_eq!(names(&["/x/a", "/x/b"]), ["a", "b"]);
        assert_eq!(
            names(&["/x/1/r/n", "/x/2/r/n", "/x/2/q/n"]),
            ["1/r/n", "2/r/n", "q/n"]
        );
    }

    #[test]
    fn a_path_that_is_the_end_of_another_is_told_apart_too() {
        assert_eq!(names(&["/n", "/a/n"]), ["n", "a/n"]);
    }

    #[test]
    fn the_order_of_arguments_does_not_matter() {
        let mut forward = names(&["/x/1/n", "/x/2/n", "/m"]);
        let mut backward = names(&["/m", "/x/2/n", "/x/1/n"]);
        forward.sort();
        backward.sort();
        assert_eq!(forward, backward);
    }

    #[test]
    fn equal_paths_end_too() {
        assert_eq!(names(&["/x/n", "/x/n"]), ["x/n", "x/n"]);
        assert_eq!(names(&["/", "/"]), ["/", "/"]);
    }
}
