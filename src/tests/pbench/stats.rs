//! Figures over the samples of one entry.

/// What is said about a row of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Arithmetic mean, in the unit of the samples, unrounded.
    pub mean: f64,
    /// Population standard deviation (divisor n), unrounded.
    pub stddev: f64,
    /// Standard deviation in percent of the mean, rounded as pbench rounds; 0 when the mean is 0.
    pub stddevpct: f64,
    /// Index of the first sample with the least distance to the mean.
    pub closest: usize,
}

/// Returns mean and spread of `values`; all zero for none. One value has no spread.
///
/// Values must be finite. The spread in percent follows pbench to the digit
/// ([`four_significant`]), because nights written by pbench are compared with ours.
pub fn figures(values: &[f64]) -> Figures {
    match values {
        [] => Figures {
            mean: 0.0,
            stddev: 0.0,
            stddevpct: 0.0,
            closest: 0,
        },
        [one] => Figures {
            mean: *one,
            stddev: 0.0,
            stddevpct: 0.0,
            closest: 0,
        },
        _ => {
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let distance = |value: &f64| (value - mean) * (value - mean);
            let stddev = (values.iter().map(distance).sum::<f64>() / count).sqrt();
            let percent = if mean == 0.0 {
                0.0
            } else {
                100.0 * stddev / mean
            };
            let closest = values
                .iter()
                .enumerate()
                .min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)))
                .map_or(0, |(index, _)| index);
            Figures {
                mean,
                stddev,
                stddevpct: four_significant(percent),
                closest,
            }
        }
    }
}

/// Returns the number pbench prints: six decimals, then four significant figures, a half away from zero.
///
/// Works on the decimal text, so that a text ending in 5 goes up although the binary value may lie
/// just below. Values that are not finite are returned as they are.
pub fn four_significant(value: f64) -> f64 {
    if !value.is_finite() {
        return value;
    }
    let text = format!("{:.6}", value.abs());
    let mut digits: Vec<u8> = Vec::with_capacity(text.len());
    let mut point = text.len();
    for (index, byte) in text.bytes().enumerate() {
        if byte == b'.' {
            point = index;
        } else {
            digits.push(byte - b'0');
        }
    }
    let Some(start) = digits.iter().position(|digit| *digit != 0) else {
        return 0.0;
    };
    let cut = start + 4;
    if cut < digits.len() {
        let mut carry = digits[cut] >= 5;
        digits[cut..].fill(0);
        for digit in digits[..cut].iter_mut().rev() {
            if !carry {
                break;
            }
            carry = *digit == 9;
            *digit = if carry { 0 } else { *digit + 1 };
        }
        if carry {
            digits.insert(0, 1);
            point += 1;
        }
    }
    let mut rounded: String = digits
        .iter()
        .map(|digit| char::from(b'0' + digit))
        .collect();
    rounded.insert(point, '.');
    let magnitude: f64 = rounded.parse().unwrap_or(value.abs());
    magnitude.copysign(value)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn mean_and_population_spread_of_three() {
        // 2, 4, 9: mean 5, squared distances 9 + 1 + 16 = 26, stddev = sqrt(26/3).
        let found = figures(&[2.0, 4.0, 9.0]);
        assert!((found.mean - 5.0).abs() < 1e-12);
        assert!((found.stddev - (26.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!(
            (found.stddevpct - 58.88).abs() < 1e-12,
            "58.878405 to four figures: {}",
            found.stddevpct
        );
        assert_eq!(found.closest, 1);
    }

    #[test]
    fn the_first_of_equally_near_samples_is_closest() {
        assert_eq!(figures(&[1.0, 3.0]).closest, 0);
    }

    #[test]
    fn a_mean_of_zero_has_no_spread_in_percent() {
        assert!(figures(&[-1.0, 1.0]).stddevpct.abs() < 1e-12);
    }

    #[test]
    fn four_figures_round_a_half_away_from_zero() {
        for (value, rounded) in [
            (123_456.0, 123_500.0),
            (0.012_345, 0.01235),
            (1.2345, 1.235),
            (-1.2345, -1.235),
            (9_999.6, 10_000.0),
            (0.000_000_4, 0.0),
            (0.99996, 1.0),
            (7.0, 7.0),
        ] {
            assert!(
                (four_significant(value) - rounded).abs() < 1e-12,
                "{value}: {}",
                four_significant(value)
            );
        }
    }

    #[test]
    fn three_recorded_samples_give_the_figures_pbench_printed() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/pbench-results/uperf/4-tcp_rr-1024B-4i/result.json"
        );
        let golden: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).expect("fixture")).expect("JSON");
        let number = |value: &serde_json::Value| {
            value
                .as_f64()
                .or_else(|| value.as_str()?.parse().ok())
                .expect("a number")
        };
        let mut seen = 0;
        for class in ["throughput", "latency"] {
            for entry in golden[class]
                .as_object()
                .expect("metrics")
                .values()
                .flat_map(|e| e.as_array().expect("entries"))
            {
                let values: Vec<f64> = entry["samples"]
                    .as_array()
                    .expect("samples")
                    .iter()
                    .map(|s| number(&s["value"]))
                    .collect();
                assert_eq!(values.len(), 3);
                let found = figures(&values);
                for (ours, key) in [
                    (four_significant(found.mean), "mean"),
                    (four_significant(found.stddev), "stddev"),
                    (found.stddevpct, "stddevpct"),
                ] {
                    let theirs = number(&entry[key]);
                    assert!(
                        (ours - theirs).abs() <= 1e-9 * theirs.abs(),
                        "{class} {key}: {ours}, pbench has {theirs}"
                    );
                }
                assert_eq!(
                    format!("{}", found.closest + 1),
                    number(&entry["closest_sample"]).to_string()
                );
                seen += 1;
            }
        }
        assert_eq!(seen, 4, "two metrics, one client and all");
    }
}
