//! Straight lines through measured points.

/// `y = fixed + each * x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// At nothing.
    pub fixed: f64,
    /// For each more.
    pub each: f64,
}

impl Line {
    /// The line whose errors, as shares of what was measured, have the smallest squares: sizes lie
    /// decades apart, and each is to count the same. Nothing here costs less than nothing, so a
    /// negative part becomes none. Points whose `y` is not positive say nothing.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let points: Vec<(f64, f64)> =
            points.iter().copied().filter(|(x, y)| *y > 0.0 && x.is_finite()).collect();
        let (mut w, mut wx, mut wxx, mut wy, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (x, y) in &points {
            let weight = 1.0 / (y * y);
            w += weight;
            wx += weight * x;
            wxx += weight * x * x;
            wy += weight * y;
            wxy += weight * x * y;
        }
        let determinant = w * wxx - wx * wx;
        if points.len() < 2 || determinant <= f64::EPSILON * w * wxx {
            return None;
        }
        let (fixed, each) = ((wy * wxx - wx * wxy) / determinant, (w * wxy - wx * wy) / determinant);
        Some(if fixed < 0.0 {
            Self { fixed: 0.0, each: wxy / wxx }
        } else if each < 0.0 {
            Self { fixed: wy / w, each: 0.0 }
        } else {
            Self { fixed, each }
        })
    }

    /// What it says for so many.
    pub const fn at(self, x: f64) -> f64 {
        self.each.mul_add(x, self.fixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_though_its_sizes_lie_decades_apart() {
        let line = Line { fixed: 90.0, each: 3.5 };
        // Three percent off here and there.
        let points = [10.0, 100.0, 1000.0, 5000.0, 15_000.0]
            .iter()
            .zip([1.03, 0.97, 1.01, 0.99, 1.0])
            .map(|(x, off)| (*x, line.at(*x) * off))
            .collect::<Vec<_>>();
        let found = Line::through(&points).unwrap();
        assert!((found.fixed - 90.0).abs() < 9.0 && (found.each - 3.5).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn nothing_costs_less_than_nothing() {
        let rising = Line::through(&[(1.0, 1.0), (2.0, 4.0)]).unwrap();
        assert_eq!(rising.fixed, 0.0);
        assert!(rising.each > 1.0);
        let falling = Line::through(&[(1.0, 10.0), (3.0, 8.0)]).unwrap();
        assert_eq!(falling.each, 0.0);
        assert!((8.0..10.0).contains(&falling.fixed));
    }

    #[test]
    fn one_size_makes_no_line() {
        assert_eq!(Line::through(&[(5.0, 1.0), (5.0, 2.0)]), None);
        assert_eq!(Line::through(&[]), None);
    }
}
