//! The plan: everything about a run resolved and checked before the first machine is touched.
//!
//! [`Plan::resolve`] turns [`RunOptions`] into hosts, profiles and tests that exist, with
//! parameters that fit; whatever is wrong is said here, while nothing has happened yet.

mod error;
mod files;
mod hosts;
mod items;
mod json;
mod only;
mod print;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

pub use error::PlanError;
pub(crate) use hosts::is_this_machine;
pub(crate) use items::{planned_profile, planned_test};
pub(crate) use json::digest;
pub use only::OnlyError;

use super::options::RunOptions;
use super::reach::Place;
use crate::config::{Config, host_params};
use crate::host::HostParams;
use crate::host::packages::Package;
use crate::profiles::Profile;
use crate::provisioners::{HostSpec, Provisioner};
use crate::secret::Redactor;
use crate::tests::params::ParamError;
use crate::tests::{Expected, Test};

/// A run that can start.
#[derive(Debug)]
pub struct Plan {
    /// The main host first; never empty.
    pub hosts: Vec<PlannedHost>,
    /// In order; never empty.
    pub profiles: Vec<PlannedProfile>,
    /// Makes the hosts, or checks them.
    pub provisioner: Option<Arc<dyn Provisioner>>,
    /// Run on every host before the first profile.
    pub setup: HostSetup,
    /// Where the result goes; `None` is named by the time of the start.
    pub output: Option<PathBuf>,
    /// Goes on with the result that is there.
    pub resumes: bool,
    /// Worth knowing before the start, one line each.
    pub notes: Vec<String>,
    /// What was asked.
    pub options: RunOptions,
}

/// A machine that can be reached.
#[derive(Debug, Clone)]
pub struct PlannedHost {
    /// Short name.
    pub name: String,
    /// Address as typed.
    pub address: String,
    /// User there; `None`: as OpenSSH's configuration says, else root.
    pub user: Option<String>,
    /// Port there; `None`: as OpenSSH's configuration says, else 22.
    pub port: Option<u16>,
    /// From files and `--force-params`; what they leave out is measured when the run starts.
    pub declared: host_params::Declared,
}

impl PlannedHost {
    /// Returns whether it is the machine the program runs on.
    pub fn is_local(&self) -> bool {
        is_this_machine(&self.address)
    }

    /// Returns how it is reached.
    pub fn place(&self) -> Place<'_> {
        Place {
            name: &self.name,
            address: &self.address,
            user: self.user.as_deref(),
            port: self.port,
        }
    }

    /// Returns what a provisioner is told about it.
    pub fn spec(&self, distro: &str) -> HostSpec {
        let params = self.params();
        let arch = params.0.get("arch").and_then(Value::as_str);
        HostSpec {
            name: self.name.clone(),
            address: self.address.clone(),
            arch: arch.unwrap_or(std::env::consts::ARCH).to_owned(),
            distro: distro.to_owned(),
        }
    }

    /// Returns what is declared about it.
    pub fn params(&self) -> HostParams {
        self.declared
            .clone()
            .complete(&host_params::Measured::default())
            .params
    }
}

/// A profile that can be applied.
#[derive(Debug)]
pub struct PlannedProfile {
    /// In paths and ids.
    pub name: String,
    /// In the table of profiles.
    pub kind: String,
    /// Its own parameters.
    pub params: Map<String, Value>,
    /// Images made for it stay.
    pub keep_assets: bool,
    /// What it changes on a host.
    pub changes: Vec<String>,
    /// In order.
    pub tests: Vec<PlannedTest>,
    build: crate::profiles::registry::Build,
}

impl PlannedProfile {
    /// Makes the profile.
    ///
    /// # Errors
    /// None after [`Plan::resolve`], which made it once already.
    pub fn build(&self) -> Result<Box<dyn Profile>, ParamError> {
        (self.build)(self.name.clone(), &self.params)
    }
}

/// A test that can be run.
#[derive(Debug, Clone)]
pub struct PlannedTest {
    /// In paths and ids.
    pub name: String,
    /// In the table of tests, or in the configuration.
    pub kind: String,
    /// As given.
    pub params: Map<String, Value>,
    /// As far as its parameters tell.
    pub expected: Expected,
    /// What it will do, one line each.
    pub description: Vec<String>,
    build: crate::tests::registry::Build,
}

impl PlannedTest {
    /// Makes the test.
    ///
    /// # Errors
    /// None after [`Plan::resolve`], which made it once already.
    pub fn build(&self) -> Result<Box<dyn Test>, ParamError> {
        (self.build)(self.name.clone(), &self.params)
    }
}

/// What is done on every host before the first profile.
#[derive(Debug, Clone, Default)]
pub struct HostSetup {
    /// Script and its text.
    pub script: Option<(PathBuf, Vec<u8>)>,
    /// Packages to install.
    pub packages: Vec<Package>,
}

impl Plan {
    /// Resolves and checks everything; touches nothing.
    ///
    /// # Errors
    /// The first thing that is wrong, named with what was expected.
    pub fn resolve(options: RunOptions, config: &Config) -> Result<Self, PlanError> {
        let mut notes = Vec::new();
        let hosts = hosts::hosts(&options, config, &mut notes)?;
        let profiles = items::profiles(&options, config)?;
        items::fits(&profiles, &hosts)?;
        let provisioner = items::provisioner(&options)?;
        let setup = files::host_setup(&options)?;
        files::worker_setup(&options, &mut notes)?;
        files::search_path(&options)?;
        let output = files::output(&options)?;
        Ok(Self {
            hosts,
            profiles,
            provisioner,
            setup,
            output,
            resumes: false,
            notes,
            options,
        })
    }

    /// Tells `redactor` what metadata and parameters hold that their names call secret.
    pub fn learn_secrets(&self, redactor: &Redactor) {
        for (key, value) in &self.options.metadata {
            redactor.learn_within(key, &Value::from(value.as_str()));
        }
        let params = self.profiles.iter().flat_map(|profile| {
            std::iter::once(&profile.params).chain(profile.tests.iter().map(|test| &test.params))
        });
        for (key, value) in params.flatten() {
            redactor.learn_within(key, value);
        }
    }

    /// Returns all tests with their profiles, in order of running.
    pub fn tests(&self) -> impl Iterator<Item = (&PlannedProfile, &PlannedTest)> {
        self.profiles
            .iter()
            .flat_map(|profile| profile.tests.iter().map(move |test| (profile, test)))
    }

    /// Returns how long the tests should take together; `None` as soon as one cannot tell.
    pub fn expected(&self) -> Option<Duration> {
        self.tests().map(|(_, test)| test.expected.duration).sum()
    }
}
