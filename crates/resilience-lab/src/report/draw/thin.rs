//! Fewer points, the same picture.

/// The parts of a series that can be drawn, sorted by x: where a point has no place, a part ends.
pub(super) fn parts(places: impl Iterator<Item = Option<(f64, f64)>>) -> Vec<Vec<(f64, f64)>> {
    let mut parts = vec![Vec::new()];
    for place in places {
        match (place, parts.last_mut()) {
            (Some(place), Some(part)) => part.push(place),
            (None, Some(part)) if !part.is_empty() => parts.push(Vec::new()),
            _ => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Of all points in a column of pixels, keeps the first, the lowest, the highest and the last, in their order: M4
/// (Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014). The line through them fills
/// the same pixels, so that a spike of one sample stays to be seen.
///
/// `points` are sorted by x and finite.
pub(super) fn thin(points: &[(f64, f64)], (from, to): (f64, f64), columns: u32) -> Vec<(f64, f64)> {
    let column = |&(x, _): &(f64, f64)| ((x - from) / (to - from) * f64::from(columns)).floor();
    let mut kept = Vec::new();
    for group in points.chunk_by(|a, b| column(a).total_cmp(&column(b)).is_eq()) {
        let by_y = |a: &usize, b: &usize| group[*a].1.total_cmp(&group[*b].1);
        let mut indices = vec![0, group.len() - 1];
        indices.extend((0..group.len()).min_by(by_y));
        indices.extend((0..group.len()).max_by(by_y));
        indices.sort_unstable();
        indices.dedup();
        kept.extend(indices.into_iter().map(|index| group[index]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_of_one_sample_stays() {
        let points: Vec<_> = (0..100_000)
            .map(|i| (f64::from(i), if i == 77_777 { 50.0 } else { 1.0 }))
            .collect();
        let kept = thin(&points, (0.0, 1e5), 200);
        assert!(kept.len() <= 800, "{}", kept.len());
        assert!(kept.contains(&(77_777.0, 50.0)));
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn few_points_stay_as_they_are() {
        let points = [(0.0, 3.0), (1.0, 1.0), (2.0, 2.0)];
        assert_eq!(thin(&points, (0.0, 2.0), 200), points);
    }

    #[test]
    fn a_gap_ends_a_part() {
        let places = [None, Some((0.0, 1.0)), None, None, Some((2.0, 1.0))];
        let expected = [vec![(0.0, 1.0)], vec![(2.0, 1.0)]];
        assert_eq!(parts(places.into_iter()), expected);
        assert!(parts([None].into_iter()).is_empty());
    }
}
