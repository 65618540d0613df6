//! Many tests at once: which of them to believe.

/// Returns the q-value of each p-value, in the same order: the smallest false-discovery rate at
/// which it would be called. NaN counts as 1.
///
/// # Formula
///
/// With p sorted ascending, `q_(j) = min over l >= j of p_(l) m / l`, at most 1. Source: Y. Benjamini,
/// Y. Hochberg, "Controlling the false discovery rate", JRSS B 57, 1995.
///
/// ```
/// use runperf::analysis::detect::multiple::q_values;
/// let q = q_values(&[0.01, 0.5, 0.02]);
/// assert!((q[0] - 0.03).abs() < 1e-12 && (q[2] - 0.03).abs() < 1e-12 && (q[1] - 0.5).abs() < 1e-12);
/// ```
pub fn q_values(p: &[f64]) -> Vec<f64> {
    let p: Vec<f64> = p
        .iter()
        .map(|p| if p.is_nan() { 1.0 } else { *p })
        .collect();
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, index) in order.iter().enumerate().rev() {
        least = least.min(p[*index] * p.len() as f64 / (rank + 1) as f64);
        q[*index] = least;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked example D: 400 tests at q = 0.10, four calls.
    #[test]
    fn example_d_by_hand() {
        let mut p = vec![1e-6, 1.2e-4, 2.9e-4, 9e-4, 1.4e-3];
        p.extend((0..395).map(|i| 0.05 + 0.95 * f64::from(i) / 395.0));
        let q = q_values(&p);
        let called = q.iter().filter(|q| **q <= 0.10).count();
        assert_eq!(called, 4);
        assert!((q[3] - 9e-4 * 400.0 / 4.0).abs() < 1e-12);
        assert!(q[4] > 0.10);
    }

    #[test]
    fn order_of_the_tests_does_not_matter() {
        assert_eq!(q_values(&[]), Vec::<f64>::new());
        let forward = q_values(&[0.001, 0.2, 0.9]);
        let mut backward = q_values(&[0.9, 0.2, 0.001]);
        backward.reverse();
        assert_eq!(forward, backward);
        assert!((q_values(&[f64::NAN, 0.01])[0] - 1.0).abs() < 1e-15);
    }
}
