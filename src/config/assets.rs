//! Files about machines (`hosts/`, `libvirt/`): where they are looked for.
//!
//! In the folders of `--paths`, then beside the configuration files, then among the built-in
//! ones. The first hit wins whole; files are never merged.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError};

/// What is built in: path and text.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "hosts/example.org.yaml",
        include_str!("../../hosts/example.org.yaml"),
    ),
    (
        "libvirt/example.org-tuned.xml",
        include_str!("../../libvirt/example.org-tuned.xml"),
    ),
];

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Where; a path without a folder of its own for built-in ones.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

/// The folders, strongest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assets(Vec<PathBuf>);

impl Assets {
    /// Searches `paths` (`--paths`), then the folders of the configuration.
    pub fn new(paths: &[PathBuf], config: &Config) -> Self {
        Self(paths.iter().chain(config.folders()).cloned().collect())
    }

    /// Returns the first file of this name in `folder` (`hosts`), if there is one.
    ///
    /// # Errors
    /// When the first hit cannot be read: the next one would be another machine's truth.
    pub fn find(&self, folder: &str, name: &str) -> Result<Option<Asset>, ConfigError> {
        if name.contains('/') || name == ".." {
            return Ok(None);
        }
        let inside = Path::new(folder).join(name);
        for root in &self.0 {
            let path = root.join(&inside);
            match std::fs::read_to_string(&path) {
                Ok(text) => return Ok(Some(Asset { path, text })),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                    ) => {}
                Err(source) => return Err(ConfigError::Read { path, source }),
            }
        }
        let built_in = BUILT_IN.iter().find(|(path, _)| Path::new(path) == inside);
        Ok(built_in.map(|(_, text)| Asset {
            path: inside.clone(),
            text: (*text).to_owned(),
        }))
    }

    /// Returns the folders, strongest first; for messages that say where was looked.
    pub fn folders(&self) -> &[PathBuf] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_that_has_the_file_wins_and_the_built_in_one_is_last() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for (folder, text) in [("a", None), ("b", Some("arch: b")), ("c", Some("arch: c"))] {
            std::fs::create_dir_all(root.path().join(folder).join("hosts")).expect("a folder");
            if let Some(text) = text {
                std::fs::write(
                    root.path().join(folder).join("hosts/example.org.yaml"),
                    text,
                )
                .expect("a file");
            }
        }
        let folders =
            |names: &[&str]| Assets(names.iter().map(|name| root.path().join(name)).collect());
        let found = |names: &[&str]| {
            folders(names)
                .find("hosts", "example.org.yaml")
                .expect("can be read")
                .expect("found")
                .text
        };
        assert_eq!(found(&["a", "b", "c"]), "arch: b");
        assert!(
            found(&["a", "none"]).contains("hugepage_kb"),
            "the built-in example"
        );
        assert_eq!(
            folders(&["b"])
                .find("hosts", "other.yaml")
                .expect("can be read"),
            None
        );
        assert_eq!(
            folders(&["b"])
                .find("hosts", "../../b/hosts/example.org.yaml")
                .expect("refused quietly"),
            None
        );
    }

    #[test]
    fn a_hit_that_cannot_be_read_is_told_and_not_passed_over() {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(root.path().join("hosts/h.yaml"))
            .expect("a folder in the place of a file");
        let error = Assets(vec![root.path().to_owned()])
            .find("hosts", "h.yaml")
            .expect_err("a folder");
        assert!(error.to_string().ends_with("hosts/h.yaml"), "{error}");
    }
}
