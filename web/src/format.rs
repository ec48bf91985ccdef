//! Numbers as the page writes them. Number and unit stay on one line.

/// Bytes as megabytes of a million bytes, for example `98.3 MB`.
pub fn megabytes(bytes: u64) -> String {
    let mb = bytes as f64 / 1e6;
    if mb < 0.1 {
        format!("{:.0}\u{a0}kB", bytes as f64 / 1e3)
    } else if mb < 99.95 {
        format!("{mb:.1}\u{a0}MB")
    } else {
        format!("{mb:.0}\u{a0}MB")
    }
}

/// A probability as per cent, for example `31 %`, `0.4 %` or `< 0.1 %`.
pub fn percent(probability: f32) -> String {
    let percent = f64::from(probability) * 100.0;
    if percent < 0.1 {
        "<\u{a0}0.1\u{a0}%".into()
    } else if percent < 9.95 {
        format!("{percent:.1}\u{a0}%")
    } else {
        format!("{percent:.0}\u{a0}%")
    }
}

/// A difference of probabilities in points of per cent, with its sign, for example `+3.1 points`.
pub fn points(difference: f32) -> String {
    let points = 100.0 * difference;
    if points.abs() < 0.05 { "nothing".into() } else { format!("{points:+.1} points") }
}

/// Milliseconds, for example `3 ms` or `2.4 s`.
pub fn duration(ms: f64) -> String {
    if ms < 1.0 {
        "under 1\u{a0}ms".into()
    } else if ms < 1000.0 {
        format!("{ms:.0}\u{a0}ms")
    } else {
        format!("{:.1}\u{a0}s", ms / 1000.0)
    }
}

/// A ratio in words, for example `5.3 times`.
pub fn times(ratio: f64) -> String {
    if ratio < 9.95 { format!("{ratio:.1} times") } else { format!("{ratio:.0} times") }
}

/// `1 film` or `3,496 films`.
pub fn films(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    format!("{} film{}", groups.join(","), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_two_or_three_figures() {
        assert_eq!(megabytes(98_288_640), "98.3\u{a0}MB");
        assert_eq!(megabytes(812_000_000), "812\u{a0}MB");
        assert_eq!(megabytes(41_200), "41\u{a0}kB");
        assert_eq!(percent(0.314), "31\u{a0}%");
        assert_eq!(percent(0.0042), "0.4\u{a0}%");
        assert_eq!(percent(0.0004), "<\u{a0}0.1\u{a0}%");
        assert_eq!(
            (points(0.031), points(-0.5), points(0.0001)),
            ("+3.1 points".into(), "-50.0 points".into(), "nothing".into())
        );
        assert_eq!(duration(0.2), "under 1\u{a0}ms");
        assert_eq!(duration(37.2), "37\u{a0}ms");
        assert_eq!(duration(2400.0), "2.4\u{a0}s");
        assert_eq!(films(1), "1 film");
        assert_eq!(films(0), "0 films");
        assert_eq!(films(3496), "3,496 films");
        assert_eq!(films(1_003_496), "1,003,496 films");
    }
}
