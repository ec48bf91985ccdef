//! Several retrievers as one: the mean of their log-softmax (equal votes on the log scale).

/// Scores of an ensemble: for each place the mean over the members of the log-softmax of their scores.
///
/// One member keeps its order; its scores are shifted to log-probabilities.
///
/// # Panics
/// If there is no member, or the members' scores differ in length.
pub fn mean_log_softmax(members: &[&[f32]]) -> Vec<f32> {
    let mut mean = vec![0.0; members[0].len()];
    for scores in members {
        assert_eq!(scores.len(), mean.len(), "all members must score the same items");
        let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = scores.iter().map(|score| f64::from(score - max).exp()).sum();
        let log_sum = max + sum.ln() as f32;
        for (mean, score) in mean.iter_mut().zip(*scores) {
            *mean += (score - log_sum) / members.len() as f32;
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_equal_votes_whatever_their_scale() {
        // Probabilities (1/2, 1/4, 1/4) and (1/8, 1/8, 3/4): geometric means 1/4, 0.177, 0.433.
        let first = [2.0_f32.ln() + 100.0, 100.0, 100.0];
        let second = [0.0, 0.0, 6.0_f32.ln()];
        let mean = mean_log_softmax(&[&first, &second]);
        let expected = [0.0625_f32, 0.031_25, 0.1875].map(|square| square.ln() / 2.0);
        for (mean, expected) in mean.iter().zip(expected) {
            assert!((mean - expected).abs() < 1e-5, "{mean} {expected}");
        }
    }

    #[test]
    fn one_member_keeps_its_differences() {
        let scores = [3.0, -1.0, 0.5];
        let mean = mean_log_softmax(&[&scores]);
        assert!((mean[0] - mean[1] - 4.0).abs() < 1e-6);
        assert!((mean.iter().map(|score| score.exp()).sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
