//! Accepted changes: where the level of a series moved.
//!
//! Optimal partitioning with a loss that caps what one wild night can cost (P. Fearnhead, G. Rigaill,
//! "Changepoint detection in the presence of outliers", JASA 114, 2019), around medians. Taken
//! literally its cost grows with the cube of the nights, so long series are screened first: most have
//! no step at all, which two sums show, and in the others only nights where the level before and
//! after differs are tried as boundaries, which are then moved as long as that lowers the cost.

/// Fewer results are one segment.
pub const FEWEST: usize = 8;
/// Shortest segment.
pub const SHORTEST: usize = 4;
/// What one night can cost at most: the square of three standard deviations.
const CAP: f64 = 9.0;
/// Up to here every boundary is tried.
const EXACT: usize = 160;
/// Windows up to this length are compared by their medians.
const NEAR: usize = 8;
/// Boundaries that are tried in longer series.
const TRIED: usize = 40;
/// Rounds of moving them; two or three do.
const ROUNDS: usize = 20;

/// Returns where the segments of a series begin: indices, ascending, the first is 0.
///
/// `sd` is the noise between neighbours; with a scale of 0, or fewer than 8 values, the series is one
/// segment.
///
/// # Formula
///
/// `cost(a, b) = Σ min(((x − median(x_a..x_b)) / sd)², 9)`; the partition with the smallest sum of
/// costs plus `4 ln N + 2` a segment, each of 4 values or more.
pub fn segments(x: &[f64], sd: f64) -> Vec<usize> {
    let usable = sd > 0.0 && sd.is_finite() && x.iter().all(|value| value.is_finite());
    if x.len() < FEWEST || !usable {
        return vec![0];
    }
    let z: Vec<f64> = x.iter().map(|value| value / sd).collect();
    if z.len() <= EXACT {
        return exact(&z);
    }
    if !may_have_steps(&z) {
        return vec![0];
    }
    polished(&z, among(&z, &worth_trying(&z)))
}

fn penalty(n: usize) -> f64 {
    4.0 * (n as f64).ln() + 2.0
}

fn loss(z: &[f64], median: f64) -> f64 {
    z.iter()
        .map(|value| ((value - median) * (value - median)).min(CAP))
        .sum()
}

/// Every boundary, exactly; `z` in units of the noise.
fn exact(z: &[f64]) -> Vec<usize> {
    let n = z.len();
    let mut best = vec![f64::INFINITY; n + 1];
    let mut from = vec![0; n + 1];
    best[0] = 0.0;
    let mut sorted: Vec<f64> = Vec::with_capacity(n);
    for start in 0..n {
        if !best[start].is_finite() {
            continue;
        }
        sorted.clear();
        for end in start + 1..=n {
            let value = z[end - 1];
            sorted.insert(sorted.partition_point(|other| *other < value), value);
            let length = end - start;
            if length < SHORTEST {
                continue;
            }
            let cost = best[start] + loss(&sorted, median_of_sorted(&sorted)) + penalty(n);
            if cost < best[end] {
                (best[end], from[end]) = (cost, start);
            }
        }
    }
    starts(&from, n)
}

fn starts(from: &[usize], n: usize) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut end = n;
    while end > 0 {
        end = from[end];
        starts.push(end);
    }
    starts.reverse();
    starts
}

/// Boundaries among these only (ascending, without 0 and the end).
fn among(z: &[f64], tried: &[usize]) -> Vec<usize> {
    let n = z.len();
    let mut places = vec![0];
    places.extend(tried);
    places.push(n);
    let mut best = vec![f64::INFINITY; places.len()];
    let mut from = vec![0; places.len()];
    best[0] = 0.0;
    let mut part = Vec::with_capacity(n);
    for end in 1..places.len() {
        for start in 0..end {
            let (a, b) = (places[start], places[end]);
            if b - a < SHORTEST || !best[start].is_finite() {
                continue;
            }
            part.clear();
            part.extend_from_slice(&z[a..b]);
            let median = median_in_place(&mut part);
            let cost = best[start] + loss(&part, median) + penalty(n);
            if cost < best[end] {
                (best[end], from[end]) = (cost, start);
            }
        }
    }
    starts(&from, places.len() - 1)
        .into_iter()
        .map(|place| places[place])
        .collect()
}

/// Moves, adds and takes away boundaries, one at a time, as long as that lowers the cost: what was
/// not tried as a boundary may still be the best one.
fn polished(z: &[f64], mut starts: Vec<usize>) -> Vec<usize> {
    let penalty = penalty(z.len());
    for _ in 0..ROUNDS {
        let before = starts.clone();
        // A boundary between its neighbours, or none.
        let mut index = 1;
        while index < starts.len() {
            let (a, c) = (starts[index - 1], end_of(&starts, index, z.len()));
            let whole = median_in_place(&mut z[a..c].to_vec());
            match best_split(&z[a..c]) {
                Some((at, cost)) if cost + penalty < loss(&z[a..c], whole) => {
                    starts[index] = a + at;
                    index += 1;
                }
                _ => {
                    starts.remove(index);
                }
            }
        }
        let mut index = 0;
        while index < starts.len() {
            let (a, c) = (starts[index], end_of(&starts, index, z.len()));
            let whole = median_in_place(&mut z[a..c].to_vec());
            if let Some((at, cost)) = best_split(&z[a..c])
                && cost + penalty < loss(&z[a..c], whole)
            {
                starts.insert(index + 1, a + at);
                index += 1;
            }
            index += 1;
        }
        if starts == before {
            break;
        }
    }
    starts
}

fn end_of(starts: &[usize], index: usize, n: usize) -> usize {
    starts.get(index + 1).copied().unwrap_or(n)
}

/// The best single boundary of a part, and the cost of both sides; `None` when it is too short.
fn best_split(z: &[f64]) -> Option<(usize, f64)> {
    let n = z.len();
    if n < 2 * SHORTEST {
        return None;
    }
    let forward = growing(z.iter());
    let backward = growing(z.iter().rev());
    (SHORTEST..=n - SHORTEST)
        .map(|at| (at, forward[at] + backward[n - at]))
        .min_by(|a, b| a.1.total_cmp(&b.1))
}

/// The cost of the first 0, 1, 2, … values.
fn growing<'a>(z: impl ExactSizeIterator<Item = &'a f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = Vec::with_capacity(z.len());
    let mut costs = vec![0.0];
    for value in z {
        sorted.insert(sorted.partition_point(|other| other < value), *value);
        costs.push(loss(&sorted, median_of_sorted(&sorted)));
    }
    costs
}

fn median_of_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    }
}

fn median_in_place(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if even {
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (lower + *upper) / 2.0
    } else {
        *upper
    }
}

/// Running sums of the values around their median, each pulled in to three standard deviations.
fn sums(z: &[f64]) -> Vec<f64> {
    let median = median_in_place(&mut z.to_vec());
    let cap = CAP.sqrt();
    let mut sum = 0.0;
    std::iter::once(0.0)
        .chain(z.iter().map(|value| {
            sum += (value - median).clamp(-cap, cap);
            sum
        }))
        .collect()
}

/// Returns whether a step is possible at all.
///
/// One boundary at t lowers the (uncapped) cost by `N / (t (N − t)) · (S_t − t/N · S_N)²`, two around
/// a window of length L by about `S²/L`, of which a window of half the length shows half. A step that
/// the penalty lets pass shows in one of them at half of its worth.
fn may_have_steps(z: &[f64]) -> bool {
    let n = z.len();
    let total = n as f64;
    let sums = sums(z);
    let limit = penalty(n);
    let one = (SHORTEST..=n - SHORTEST).any(|t| {
        let at = t as f64;
        let off = sums[t] - at / total * sums[n];
        off * off * total / (at * (total - at)) > limit / 2.0
    });
    one || std::iter::successors(Some(SHORTEST), |length| Some(length * 2))
        .take_while(|length| *length <= n)
        .any(|length| {
            (0..=n - length).any(|start| {
                let sum = sums[start + length] - sums[start];
                sum * sum / length as f64 > 0.75 * limit
            })
        })
}

/// Returns the nights at which the level before and after differs most, seen at several lengths, each
/// with its neighbours: the cost, not the difference, has the last word.
fn worth_trying(z: &[f64]) -> Vec<usize> {
    let n = z.len();
    let sums = sums(z);
    let places = SHORTEST..=n - SHORTEST;
    let mut peaks: Vec<(f64, usize)> = Vec::new();
    let mut strength = vec![0.0_f64; n + 1];
    let lengths = std::iter::successors(Some(SHORTEST), |length| Some(length * 2));
    for length in lengths.take_while(|length| *length <= n / 2) {
        for t in places.clone() {
            let (a, b) = (t.min(length), (n - t).min(length));
            let far = if length <= NEAR {
                // Around a far-off level all sums are clipped alike; medians see a step there too.
                median_in_place(&mut z[t..t + b].to_vec())
                    - median_in_place(&mut z[t - a..t].to_vec())
            } else {
                (sums[t + b] - sums[t]) / b as f64 - (sums[t] - sums[t - a]) / a as f64
            };
            strength[t] = far * far * (a * b) as f64 / (a + b) as f64;
        }
        for t in places.clone() {
            let around = t.saturating_sub(length / 2)..=(t + length / 2).min(n);
            let is_peak = strength[around].iter().all(|other| *other <= strength[t]);
            if is_peak && strength[t] > CAP / 4.0 {
                peaks.push((strength[t], t));
            }
        }
    }
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut tried = std::collections::BTreeSet::new();
    for (_, t) in peaks {
        if tried.len() >= TRIED {
            break;
        }
        tried.insert(t);
    }
    tried.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::detect::robust::noise_between_neighbours;

    /// Noise of standard deviation 1 or so: three even numbers from a multiplicative hash.
    fn noise(i: usize) -> f64 {
        (0..3)
            .map(|part| {
                let hash = ((i * 3 + part + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let hash = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                ((hash >> 40) as f64 / (1_u64 << 24) as f64 - 0.5) * 2.0
            })
            .sum()
    }

    fn series(n: usize, level: impl Fn(usize) -> f64) -> Vec<f64> {
        (0..n).map(|i| noise(i) + level(i)).collect()
    }

    fn found(x: &[f64]) -> Vec<usize> {
        segments(x, noise_between_neighbours(x))
    }

    #[test]
    fn a_step_is_found_and_noise_is_not() {
        assert_eq!(found(&series(30, |_| 0.0)), [0]);
        assert_eq!(
            found(&series(30, |i| if i < 18 { 0.0 } else { 8.0 })),
            [0, 18]
        );
        assert_eq!(found(&series(200, |_| 0.0)), [0]);
        assert_eq!(
            found(&series(200, |i| if i < 150 { 0.0 } else { 8.0 })),
            [0, 150]
        );
    }

    #[test]
    fn one_wild_night_is_no_step() {
        for n in [30, 200] {
            let mut x = series(n, |_| 0.0);
            x[n / 2] = -500.0;
            assert_eq!(found(&x), [0]);
        }
    }

    #[test]
    fn long_series_are_cut_as_if_every_boundary_were_tried() {
        for (seed, steps) in [(0, [50, 90]), (1, [20, 24]), (2, [8, 110]), (3, [60, 61])] {
            let n = 190;
            let x: Vec<f64> = (0..n)
                .map(|i| {
                    let step = steps.iter().filter(|at| i >= **at).count() as f64;
                    noise(i + 1000 * seed) + step * 5.0
                })
                .collect();
            let sd = noise_between_neighbours(&x);
            let z: Vec<f64> = x.iter().map(|value| value / sd).collect();
            assert_eq!(segments(&x, sd), exact(&z), "steps at {steps:?}");
        }
    }

    /// Series of the public generator, as logarithms; `None` without Python.
    fn public_series(seed: usize, nights: usize, every: usize) -> Option<Vec<Vec<f64>>> {
        let dir = tempfile::tempdir().expect("a directory");
        let world = dir.path().join("world");
        let script =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/gen_history.py");
        let done = std::process::Command::new("python3")
            .arg(script)
            .args([
                "--no-results",
                "--candidates",
                "1",
                "--seed",
                &seed.to_string(),
            ])
            .args(["--nights", &nights.to_string(), "--out"])
            .arg(&world)
            .status();
        if !done.is_ok_and(|status| status.success()) {
            return None;
        }
        let text = std::fs::read_to_string(world.join("series.csv")).expect("written");
        let mut series: Vec<Vec<f64>> = Vec::new();
        for line in text.lines().filter(|line| line.starts_with("history,")) {
            let values = line.split(',').skip(2).step_by(every);
            for (index, value) in values.enumerate() {
                if series.len() <= index {
                    series.push(Vec::new());
                }
                series[index].extend(value.parse::<f64>().ok().map(f64::ln));
            }
        }
        Some(series)
    }

    fn cost_of(z: &[f64], starts: &[usize]) -> f64 {
        let parts = (0..starts.len()).map(|index| {
            let part = &z[starts[index]..end_of(starts, index, z.len())];
            loss(part, median_in_place(&mut part.to_vec())) + penalty(z.len())
        });
        parts.sum()
    }

    /// The public histories have 60 nights, where every boundary is tried. Longer ones of the same
    /// generator may differ where two partitions are nearly as good: 15 of 2800 series of 200 and 365
    /// nights, at a cost of less than one wild night.
    #[test]
    #[expect(clippy::print_stdout, reason = "what a test leaves out is said")]
    fn long_public_series_are_cut_nearly_as_if_every_boundary_were_tried() {
        let (mut count, mut other) = (0, 0);
        for seed in [1, 2, 3] {
            let Some(all) = public_series(seed, 175, 13) else {
                println!("skipped: no python3");
                return;
            };
            for x in all {
                assert!(x.len() > EXACT, "long enough to be screened");
                let sd = noise_between_neighbours(&x);
                let z: Vec<f64> = x.iter().map(|value| value / sd).collect();
                let (found, best) = (segments(&x, sd), exact(&z));
                count += 1;
                other += usize::from(found != best);
                let more = cost_of(&z, &found) - cost_of(&z, &best);
                assert!(more < CAP, "seed {seed}: {found:?} {best:?}");
            }
        }
        assert!(count > 80 && other <= count / 30, "{other} of {count}");
    }

    #[test]
    fn few_or_constant_values_are_one_segment() {
        assert_eq!(segments(&[0.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0], 0.1), [0]);
        assert_eq!(segments(&[1.0; 50], 0.0), [0]);
        assert_eq!(segments(&[], 1.0), [0]);
        assert_eq!(segments(&[f64::NAN; 20], 1.0), [0]);
    }
}
