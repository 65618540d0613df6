//! What several reports lay out in the same way: places to look at, and the table of groups.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::compare::by_client::is_client;
use crate::compare::{CheckResult, Comparison, ErrorInfo, Incident, Status};
use crate::metric::{Better, Check};

/// Metrics of one profile, test and iteration with one status, found in the comparison.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// What they have in common.
    pub status: Status,
    /// Part of the ids.
    pub profile: &'a str,
    /// Part of the ids.
    pub test: &'a str,
    /// Part of the ids.
    pub iteration: &'a str,
    /// The checks, primary first.
    pub checks: Vec<&'a CheckResult>,
    /// The greatest change in bands.
    pub bands: Option<f64>,
    /// See [`CheckResult::since`].
    pub since: Option<&'a str>,
    /// See [`CheckResult::outside_builds`].
    pub outside_builds: usize,
}

impl Place<'_> {
    /// Returns `PROFILE / TEST / ITERATION`; parts that are merged in a group are left out.
    pub fn name(&self) -> String {
        name(self.profile, self.test, self.iteration)
    }

    /// Returns whether it can fail the comparison.
    pub fn primary(&self) -> bool {
        self.checks.iter().any(|check| check.primary)
    }
}

/// Returns `PROFILE / TEST / ITERATION` without parts that are only wildcards.
pub fn name(profile: &str, test: &str, iteration: &str) -> String {
    let merged = |part: &str| part.chars().all(|c| matches!(c, '*' | '-'));
    let parts: Vec<&str> = [profile, test, iteration]
        .into_iter()
        .filter(|part| !merged(part))
        .collect();
    match parts.is_empty() {
        true => "all profiles".to_owned(),
        false => parts.join(" / "),
    }
}

/// A comparison with its checks found by name.
#[derive(Debug)]
pub struct View<'a> {
    /// What is shown.
    pub comparison: &'a Comparison,
    checks: HashMap<&'a str, &'a CheckResult>,
    groups: HashSet<&'a str>,
}

impl<'a> View<'a> {
    /// Indexes a comparison.
    pub fn new(comparison: &'a Comparison) -> Self {
        let all = comparison.metrics.iter().chain(&comparison.groups);
        let mut checks = HashMap::with_capacity(comparison.metrics.len() + comparison.groups.len());
        for check in all {
            checks.entry(check.id.as_str()).or_insert(check);
        }
        let groups = comparison
            .groups
            .iter()
            .map(|check| check.id.as_str())
            .collect();
        Self {
            comparison,
            checks,
            groups,
        }
    }

    /// Returns the number of checks with a status, groups not among them.
    pub fn count(&self, status: Status) -> usize {
        self.comparison
            .counts
            .get(status.word())
            .copied()
            .unwrap_or(0)
    }

    /// Returns the number of checks, groups not among them.
    pub fn total(&self) -> usize {
        self.comparison.counts.values().sum()
    }

    /// Returns the number of primary checks with a status.
    pub fn count_primary(&self, status: Status) -> usize {
        self.comparison
            .counts_primary
            .get(status.word())
            .copied()
            .unwrap_or(0)
    }

    /// Returns the number of group checks with a status.
    pub fn count_groups(&self, status: Status) -> usize {
        self.comparison
            .counts_groups
            .get(status.word())
            .copied()
            .unwrap_or(0)
    }

    /// Returns the places with a status: the incidents in their order, then whatever no incident names.
    pub fn places(&self, status: Status) -> Vec<Place<'a>> {
        let mut named = HashSet::new();
        let mut places = Vec::new();
        for incident in self
            .comparison
            .incidents
            .iter()
            .filter(|incident| incident.status == status)
        {
            let place = self.place(incident);
            named.extend(place.checks.iter().map(|check| check.id.as_str()));
            if !place.checks.is_empty() {
                places.push(place);
            }
        }
        let mut index: HashMap<(&str, &str, &str), usize> = HashMap::new();
        let rest = self
            .comparison
            .groups
            .iter()
            .chain(&self.comparison.metrics);
        for check in
            rest.filter(|check| check.status == status && !named.contains(check.id.as_str()))
        {
            let key = (
                check.profile.as_str(),
                check.test.as_str(),
                check.iteration.as_str(),
            );
            let at = *index.entry(key).or_insert_with(|| {
                places.push(Place {
                    status,
                    profile: key.0,
                    test: key.1,
                    iteration: key.2,
                    checks: Vec::new(),
                    bands: check.bands,
                    since: check.since.as_deref(),
                    outside_builds: check.outside_builds,
                });
                places.len() - 1
            });
            if let Some(place) = places.get_mut(at) {
                place.checks.push(check);
            }
        }
        places
    }

    fn place(&self, incident: &'a Incident) -> Place<'a> {
        Place {
            status: incident.status,
            profile: &incident.profile,
            test: &incident.test,
            iteration: &incident.iteration,
            checks: incident
                .metrics
                .iter()
                .filter_map(|id| self.checks.get(id.as_str()).copied())
                .collect(),
            bands: incident.bands,
            since: incident.since.as_deref(),
            outside_builds: incident.outside_builds,
        }
    }

    /// Returns the recorded failures that are not also checks (the older tool's rules make them checks).
    pub fn errors(&self) -> impl Iterator<Item = &'a ErrorInfo> + '_ {
        self.comparison
            .errors
            .iter()
            .filter(|error| !self.checks.contains_key(error.id.as_str()))
    }

    /// Returns whether a place holds metrics, not groups of them.
    pub fn is_place(&self, place: &Place<'_>) -> bool {
        place
            .checks
            .iter()
            .any(|check| !self.groups.contains(check.id.as_str()))
    }

    /// Returns in how many references a check has a value.
    pub fn present(check: &CheckResult) -> usize {
        check.history.iter().filter(|value| value.is_some()).count()
    }
}

/// What the columns of a table of groups are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// One column.
    Profile,
    /// A column a test.
    Test,
    /// A column a test and kind.
    TestKind,
}

/// A table of groups: a row a profile.
#[derive(Debug)]
pub struct Grid {
    /// Profiles in reading order.
    pub rows: Vec<String>,
    /// Test and kind (empty where not asked for) of each column, in reading order.
    pub columns: Vec<(String, String)>,
    /// By row, then column.
    pub cells: Vec<Vec<Cell>>,
}

/// One group.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// Geometric mean of the changes of its pairs, percent, turned so that more is better; primary
    /// metrics only unless there are none or kinds stand apart.
    pub mean_pct: Option<f64>,
    /// How many checks it holds.
    pub checks: usize,
    /// By status.
    pub counts: BTreeMap<Status, usize>,
    primary: Mean,
    all: Mean,
}

/// A running mean of logarithms.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn percent(self) -> Option<f64> {
        (self.count > 0).then(|| ((self.sum / f64::from(self.count)).exp() - 1.0) * 100.0)
    }
}

impl Grid {
    /// Sorts the checks of a comparison into groups.
    pub fn new(comparison: &Comparison, group: Group) -> Self {
        let mut grid = Self {
            rows: Vec::new(),
            columns: Vec::new(),
            cells: Vec::new(),
        };
        let mut rows = HashMap::new();
        let mut columns = HashMap::new();
        let checks = comparison
            .metrics
            .iter()
            .map(|check| (&check.id, check.status, Some(check)));
        let view = View::new(comparison);
        let errors = view.errors().map(|error| (&error.id, Status::Error, None));
        for (id, status, check) in checks.chain(errors) {
            // A failure has no kind of its own; it would only add an empty column.
            if check.is_none() && group == Group::TestKind {
                continue;
            }
            let row = *rows.entry(id.profile().to_owned()).or_insert_with(|| {
                grid.rows.push(id.profile().to_owned());
                grid.rows.len() - 1
            });
            let column = match group {
                Group::Profile => (String::new(), String::new()),
                Group::Test => (id.test().to_owned(), String::new()),
                Group::TestKind => (id.test().to_owned(), id.kind().to_owned()),
            };
            let column = *columns.entry(column.clone()).or_insert_with(|| {
                grid.columns.push(column);
                grid.columns.len() - 1
            });
            grid.cell(row, column).add(status, check);
        }
        for row in &mut grid.cells {
            row.resize_with(grid.columns.len(), Cell::default);
            for cell in row {
                let narrow = if group == Group::TestKind {
                    None
                } else {
                    cell.primary.percent()
                };
                cell.mean_pct = narrow.or_else(|| cell.all.percent());
            }
        }
        grid
    }

    fn cell(&mut self, row: usize, column: usize) -> &mut Cell {
        if self.cells.len() <= row {
            self.cells.resize_with(row + 1, Vec::new);
        }
        let cells = &mut self.cells[row];
        if cells.len() <= column {
            cells.resize_with(column + 1, Cell::default);
        }
        &mut cells[column]
    }
}

impl Cell {
    fn add(&mut self, status: Status, check: Option<&CheckResult>) {
        self.checks += 1;
        *self.counts.entry(status).or_default() += 1;
        // Single clients are in their metric already.
        let counts = |check: &&CheckResult| {
            check.check == Check::Mean && check.better != Better::Unknown && !is_client(check)
        };
        let Some(check) = check.filter(counts) else {
            return;
        };
        if let (Some(src), Some(dst)) = (check.src, check.dst)
            && src > 0.0
            && dst > 0.0
            && (dst / src).is_finite()
        {
            let turned = (dst / src).ln() * check.better.sign();
            self.all.add(turned);
            if check.primary {
                self.primary.add(turned);
            }
        }
    }

    /// Returns how many checks have a status.
    pub fn count(&self, status: Status) -> usize {
        self.counts.get(&status).copied().unwrap_or(0)
    }
}
