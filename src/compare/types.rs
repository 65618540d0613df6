//! The types of a comparison, serialised as `runperf-comparison/1`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::{Better, Check, MetricId};

/// What became of a check. What fails and how each looks: the table in docs/statuses.md.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Worse than the rule in force allows.
    Regression,
    /// A recorded failure, or a result that cannot be read.
    Error,
    /// In SRC, not in DST.
    Missing,
    /// Worse (or missing), but so in a fifth of the references too.
    Flaky,
    /// Worse, not certain enough to be called.
    Suspect,
    /// Better than the rule in force allows.
    Improvement,
    /// In DST, not in SRC.
    New,
    /// Everything else.
    Within,
}

impl Status {
    /// All statuses, in the order reports list them.
    pub const ALL: [Status; 8] = [
        Status::Regression,
        Status::Error,
        Status::Missing,
        Status::Suspect,
        Status::Flaky,
        Status::Improvement,
        Status::New,
        Status::Within,
    ];

    /// Returns the word (`regression`).
    pub fn word(self) -> &'static str {
        match self {
            Status::Regression => "regression",
            Status::Error => "error",
            Status::Missing => "missing",
            Status::Flaky => "flaky",
            Status::Suspect => "suspect",
            Status::Improvement => "improvement",
            Status::New => "new",
            Status::Within => "within",
        }
    }

    /// Returns the letter reports use in addresses (`r`).
    pub fn letter(self) -> char {
        match self {
            Status::Regression => 'r',
            Status::Error => 'e',
            Status::Missing => 'm',
            Status::Flaky => 'f',
            Status::Suspect => 's',
            Status::Improvement => 'g',
            Status::New => 'w',
            Status::Within => 'o',
        }
    }
}

/// What the whole comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing failed.
    Pass,
    /// Something failed.
    Fail,
    /// Not one metric was compared.
    Error,
}

/// The rule checks were judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// The older tool's, to the letter.
    Compat,
    /// A version 3 model.
    Model,
    /// The line of older models and `--tolerance`.
    Line,
    /// Fixed limits.
    Tolerance,
    /// SRC against DST with pooled scale.
    Pairwise,
}

/// Which program made this, and how it was called (secrets masked).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Version of this program.
    pub version: String,
    /// Command line.
    pub command: Vec<String>,
}

/// Limits in force; null where the rule has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitsInForce {
    /// For means, percent.
    pub mean_pct: Option<f64>,
    /// For spreads, percentage points.
    pub spread_points: Option<f64>,
    /// Target false-discovery rate.
    pub fdr: Option<f64>,
    /// Smallest effect called, percent.
    pub min_effect_pct: Option<f64>,
    /// For host shifts, percent.
    pub group_pct: Option<f64>,
}

/// One result directory as reports name it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// Metadata `build`, else the name given, else the directory.
    pub name: String,
    /// As typed.
    pub path: String,
    /// Metadata `build`.
    pub build: Option<String>,
    /// When it ran, RFC 3339.
    pub date: Option<String>,
    /// Distribution of the hosts.
    pub distro: Option<String>,
    /// Addresses of the hosts.
    pub machines: Vec<String>,
    /// Metadata `url`; only `http` and `https` become links.
    pub url: Option<String>,
    /// Whether its environment differs from the build before it.
    pub env_changed: bool,
    /// Release of the kernel by place: of each host, and of every profile or guest that ran another one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kernels: BTreeMap<String, String>,
    /// Statuses of its checks against SRC, for the builds chart; empty for SRC.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, usize>,
}

/// One part of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// `raw`, `model0`, `mraw0`, `avg`, `n_of`.
    pub name: String,
    /// What was compared with, when there is such a value.
    pub reference: Option<f64>,
    /// Difference in percent (points for spreads).
    pub diff_pct: f64,
    /// Weight in the score.
    pub weight: f64,
}

/// Values of the samples of both sides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SamplePair {
    /// SRC.
    pub src: Vec<f64>,
    /// DST.
    pub dst: Vec<f64>,
}

/// What one client contributed to a metric, on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientFigures {
    /// Its name as the results have it.
    pub client: String,
    /// Value in SRC; null: the client is not there.
    pub src: Option<f64>,
    /// Value in DST; null: the client is not there.
    pub dst: Option<f64>,
    /// DST against SRC as measured, in percent of SRC.
    pub change_pct: Option<f64>,
    /// Whether it moved far from where the others did.
    pub apart: bool,
}

/// One check: a metric, a spread, or a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// Full name.
    pub id: MetricId,
    /// Part of the id.
    pub profile: String,
    /// Part of the id.
    pub test: String,
    /// Part of the id.
    pub serial: String,
    /// Part of the id.
    pub iteration: String,
    /// Part of the id.
    pub kind: String,
    /// Part of the id.
    pub metric: String,
    /// Part of the id.
    pub check: Check,
    /// Unit; empty when nobody said.
    pub unit: String,
    /// Good direction (a spread: lower).
    pub better: Better,
    /// Whether it can fail the comparison.
    pub primary: bool,
    /// What became of it.
    pub status: Status,
    /// `minor`, `not-enough-data`, `direction-unknown`, `clients-differ`, `client`, `from-zero`, …
    pub labels: Vec<String>,
    /// Status by the older tool, with the rule `compat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compat_status: Option<String>,
    /// Value in SRC.
    pub src: Option<f64>,
    /// Value in DST.
    pub dst: Option<f64>,
    /// DST against SRC as measured, not turned by direction: percent of SRC; points for a spread.
    pub change_pct: Option<f64>,
    /// Turned by direction: negative is worse. Percent, as the rule in force weighs its parts.
    pub score: Option<f64>,
    /// Limit the score is held against (positive).
    pub tolerance: Option<f64>,
    /// What change is normal: `[low, high]` in percent of SRC (points for a spread).
    pub band_pct: Option<[f64; 2]>,
    /// |score| in units of the limit.
    pub bands: Option<f64>,
    /// First build of the present run of builds outside (the reference after the newest one inside), as
    /// in "since build 1282"; `None`: new in this build, or not applicable.
    pub since: Option<String>,
    /// Number of builds (with DST) it has been outside in a row; 0 when inside.
    pub outside_builds: usize,
    /// Model and pairwise rules.
    pub p: Option<f64>,
    /// Model and pairwise rules.
    pub q: Option<f64>,
    /// Model and pairwise rules.
    pub ci_pct: Option<[f64; 2]>,
    /// Smallest change this metric would show.
    pub mde_pct: Option<f64>,
    /// What was compared with what, in words.
    pub basis: Option<String>,
    /// Parts of the score.
    pub checks: Vec<Part>,
    /// Value in each reference, oldest first; null where it lacks the metric.
    pub history: Vec<Option<f64>>,
    /// Single values of both sides.
    pub samples: SamplePair,
    /// Figures of single clients, where there are several; in the order of SRC, then of DST.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<ClientFigures>,
    /// Sentence in the words of the older tool, with the rule `compat`; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
    /// Parameters that differ from SRC: `group.key: SRC -> DST`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params_changed: Vec<String>,
}

/// Metrics of one profile, test and iteration with the same status: one thing to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// What they have in common.
    pub status: Status,
    /// Part of the ids.
    pub profile: String,
    /// Part of the ids.
    pub test: String,
    /// Part of the ids.
    pub iteration: String,
    /// Their ids: primary first, then by weight. The secondary metrics that moved the same way are here too.
    pub metrics: Vec<MetricId>,
    /// The greatest change, in bands.
    pub bands: Option<f64>,
    /// As in [`CheckResult::since`], of the first metric.
    pub since: Option<String>,
    /// As in [`CheckResult::outside_builds`].
    pub outside_builds: usize,
}

/// A recorded failure of DST.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorInfo {
    /// Full name.
    pub id: MetricId,
    /// `TunedLibvirt/uperf`, `run`.
    pub place: String,
    /// Build it is in (DST).
    pub build: String,
    /// `timeout`, `unreadable`, `error`.
    pub class: String,
    /// First line of the exception.
    pub message: String,
    /// Whole text, at most 4000 characters.
    pub text: String,
    /// Whether SRC has a failure at the same place.
    pub same_in_src: bool,
    /// Number of references that have one there.
    pub in_references: usize,
    /// Directory inside DST.
    pub log: String,
}

/// One difference between the environments of SRC and DST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvChange {
    /// `host foo`, `TunedLibvirt`, `guests of TunedLibvirt`.
    #[serde(rename = "where")]
    pub place: String,
    /// Package, argument, file, key.
    pub name: String,
    /// Value in SRC; null: absent.
    pub src: Option<String>,
    /// Value in DST; null: absent.
    pub dst: Option<String>,
    /// Build in which it changed, when references tell.
    pub since: Option<String>,
}

/// Differences by kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Kind (`packages kernel cmdline cpu mitigations services domain_xml parameters tool other`) → changes.
    #[serde(flatten)]
    pub kinds: BTreeMap<String, Vec<EnvChange>>,
}

/// Everything any report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// `runperf-comparison/1`.
    pub schema: String,
    /// What it came to.
    pub verdict: Verdict,
    /// One sentence: why, with numbers and the worst place.
    pub reason: String,
    /// Code the program ends with.
    pub exit_code: u8,
    /// Who made it.
    pub tool: Tool,
    /// How it was judged.
    pub rule: Rule,
    /// By which limits.
    pub limits: LimitsInForce,
    /// Models and modifiers in words, one line each.
    pub judged_by: Vec<String>,
    /// The accepted one.
    pub src: Build,
    /// The judged one.
    pub dst: Build,
    /// Those between, oldest first.
    pub references: Vec<Build>,
    /// Further results of the same build as DST.
    pub repetitions: Vec<Build>,
    /// Checks by status, primary and secondary together, groups not.
    pub counts: BTreeMap<String, usize>,
    /// The primary ones.
    pub counts_primary: BTreeMap<String, usize>,
    /// Group checks by status.
    pub counts_groups: BTreeMap<String, usize>,
    /// Every check but errors and groups; in reading order of SRC, then new ones. With the rule
    /// `compat` every record of the older tool in its order, recorded failures included
    /// (`….error` ids), with its sentence in `details`: its xUnit is written from these alone.
    pub metrics: Vec<CheckResult>,
    /// Group checks.
    pub groups: Vec<CheckResult>,
    /// What to look at, by weight.
    pub incidents: Vec<Incident>,
    /// Recorded failures of DST.
    pub errors: Vec<ErrorInfo>,
    /// Failures of SRC that DST does not have any more: places.
    pub works_again: Vec<String>,
    /// What else changed.
    pub environment: Environment,
    /// How many entries of each kind SRC and DST have in common; those are not listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment_equal: BTreeMap<String, usize>,
    /// Things a reader should know before trusting this, one line each.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Name of the format.
    pub const SCHEMA: &'static str = "runperf-comparison/1";
}
