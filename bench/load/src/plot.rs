//! Plots as SVG, written by hand: bars of several chats, and lines over a size. They bring their own
//! ground, so that they can be read on a light and on a dark page.

use std::fmt::Write;

use crate::stats::{count, digits};

const WIDTH: f64 = 760.0;
/// Where bars begin: names stand before it.
const LEFT: f64 = 250.0;
const RIGHT: f64 = 90.0;
const BAR: f64 = 18.0;
const GAP: f64 = 8.0;

const STYLE: &str = "<style>
.ground{fill:#ffffff;stroke:#d0d7de}
text{font:13px system-ui,sans-serif;fill:#1f2328}
.title{font-weight:600;font-size:15px}
.note{fill:#59636e;font-size:12px}
.a{fill:#0969da}.b{fill:#8dc0f5}.la{stroke:#0969da}.lb{stroke:#bc4c00}.pa{fill:#0969da}.pb{fill:#bc4c00}
.line{fill:none;stroke-width:2}
.axis{stroke:#d0d7de}
.ours{font-weight:600}
@media(prefers-color-scheme:dark){
.ground{fill:#161b22;stroke:#30363d}
text{fill:#e6edf3}.note{fill:#9198a1}
.a{fill:#4493f8}.b{fill:#1d4f91}.la{stroke:#4493f8}.lb{stroke:#f0883e}.pa{fill:#4493f8}.pb{fill:#f0883e}
.axis{stroke:#30363d}
}
</style>
";

/// A bar of two parts, the second one behind the first.
pub struct Bar {
    /// What it belongs to.
    pub name: String,
    /// Its parts; their sum is written beside it.
    pub parts: [f64; 2],
    /// Whether it is the one that everybody looks for.
    pub ours: bool,
}

/// Bars below a heading of their own.
pub struct Group {
    /// The heading.
    pub title: String,
    /// Longest or not, each group has a scale of its own.
    pub bars: Vec<Bar>,
}

/// Groups of bars below each other. `parts` names the parts, or nothing when there is only one.
pub fn bars(title: &str, unit: &str, parts: Option<[&str; 2]>, groups: &[Group]) -> String {
    let mut body = String::new();
    let mut y = 56.0;
    if let Some([first, second]) = parts {
        // Writing into a String does not fail.
        let _ = writeln!(
            body,
            "<rect class=\"a\" x=\"20\" y=\"44\" width=\"12\" height=\"12\"/><text class=\"note\" x=\"37\" y=\"54\">{}</text>\
             <rect class=\"b\" x=\"100\" y=\"44\" width=\"12\" height=\"12\"/><text class=\"note\" x=\"117\" y=\"54\">{}</text>",
            escaped(first),
            escaped(second)
        );
        y = 72.0;
    }
    for group in groups {
        let longest =
            group.bars.iter().map(|it| it.parts.iter().sum::<f64>()).fold(f64::MIN_POSITIVE, f64::max);
        let scale = (WIDTH - LEFT - RIGHT) / longest;
        if !group.title.is_empty() {
            let _ = writeln!(
                body,
                "<text class=\"note\" x=\"20\" y=\"{:.0}\">{}</text>",
                y + 14.0,
                escaped(&group.title)
            );
            y += 24.0;
        }
        for bar in &group.bars {
            draw(&mut body, bar, y, scale, unit);
            y += BAR + GAP;
        }
        y += 12.0;
    }
    picture(title, y + 4.0, &body)
}

fn draw(body: &mut String, bar: &Bar, y: f64, scale: f64, unit: &str) {
    let class = if bar.ours { " class=\"ours\"" } else { "" };
    let middle = y + BAR - 4.5;
    let [first, second] = bar.parts.map(|it| if it.is_finite() { it * scale } else { 0.0 });
    let end = LEFT + first + second;
    let _ = write!(
        body,
        "<text{class} x=\"{:.0}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>\
         <rect class=\"a\" x=\"{LEFT:.0}\" y=\"{y:.1}\" width=\"{first:.1}\" height=\"{BAR:.0}\"/>",
        LEFT - 8.0,
        escaped(&bar.name)
    );
    if second > 0.0 {
        let x = LEFT + first;
        let _ = write!(
            body,
            "<rect class=\"b\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{second:.1}\" height=\"{BAR:.0}\"/>"
        );
    }
    let sum = digits(bar.parts.iter().sum());
    let _ = writeln!(
        body,
        "<text{class} x=\"{:.1}\" y=\"{middle:.1}\">{sum} {}</text>",
        end + 6.0,
        escaped(unit)
    );
}

/// A line with its name; both axes are logarithmic.
pub struct Series {
    /// Stands at its end.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// At most two lines over a size.
pub fn lines(title: &str, across: &str, series: &[Series]) -> String {
    let (left, right, top, bottom) = (70.0, WIDTH - 170.0, 60.0, 330.0);
    let all = || series.iter().flat_map(|it| &it.points).filter(|(x, y)| *x > 0.0 && *y > 0.0);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let values = || all().map(of);
        (
            values().fold(f64::MAX, f64::min).log10(),
            values().fold(f64::MIN_POSITIVE, f64::max).log10(),
        )
    };
    let ((x0, x1), (y0, y1)) = (range(|it| it.0), range(|it| it.1));
    let (y0, y1) = (y0.floor(), y1.ceil().max(y0.floor() + 1.0));
    let place = |x: f64, y: f64| {
        let across = if x1 > x0 { (x.log10() - x0) / (x1 - x0) } else { 0.5 };
        (
            left + across * (right - left),
            bottom - (y.log10() - y0) / (y1 - y0) * (bottom - top),
        )
    };
    let mut body = String::new();
    let mut decade = y0;
    while decade <= y1 {
        let value = 10f64.powf(decade);
        let (_, y) = place(10f64.powf(x0), value);
        let _ = writeln!(
            body,
            "<path class=\"axis\" d=\"M{left:.0} {y:.1}H{right:.0}\"/><text class=\"note\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            y + 4.0,
            digits(value)
        );
        decade += 1.0;
    }
    let mut sizes: Vec<f64> = all().map(|it| it.0).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    // Two names that would stand in each other's way: the larger size has it.
    let mut free = f64::MAX;
    for size in sizes.iter().rev() {
        let (x, _) = place(*size, 1.0);
        if x < free {
            let _ = writeln!(
                body,
                "<text class=\"note\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                count(*size)
            );
            free = x - 50.0;
        }
    }
    let _ = writeln!(
        body,
        "<text class=\"note\" x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(left, right),
        bottom + 38.0,
        escaped(across)
    );
    for (one, class) in series.iter().zip(["a", "b"]) {
        let points: Vec<(f64, f64)> = one.points.iter().map(|(x, y)| place(*x, *y)).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        let _ = writeln!(body, "<path class=\"line l{class}\" d=\"M{}\"/>", path.join("L"));
        for (x, y) in &points {
            let _ = writeln!(body, "<circle class=\"p{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>");
        }
        if let Some((x, y)) = points.last() {
            let _ = writeln!(
                body,
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + 10.0,
                y + 4.0,
                escaped(&one.name)
            );
        }
    }
    picture(title, bottom + 54.0, &body)
}

fn picture(title: &str, height: f64, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\">\n\
         <title>{title}</title>\n{STYLE}\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"20\" y=\"30\">{title}</text>\n{body}</svg>\n",
        WIDTH - 1.0,
        height - 1.0
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width_and_says_its_sum() {
        let bar = |name: &str, parts| Bar { name: name.to_owned(), parts, ours: false };
        let group = Group {
            title: String::new(),
            bars: vec![bar("a & b", [1.0, 3.0]), bar("c", [1.0, 1.0])],
        };
        let picture = bars("Bars", "µs", Some(["user", "system"]), &[group]);
        assert!(picture.contains("a &amp; b") && picture.contains("4.00 µs"));
        let widths: Vec<f64> = picture
            .split("height=\"18\"")
            .filter_map(|it| it.rsplit_once("width=\"")?.1.split('"').next()?.parse().ok())
            .take(4)
            .collect();
        assert_eq!(widths, [105.0, 315.0, 105.0, 105.0]);
    }

    #[test]
    fn lines_stay_within_their_frame() {
        let series = Series {
            name: "one".to_owned(),
            points: vec![(10.0, 90.0), (15_000.0, 3.3)],
        };
        let picture = lines("Lines", "members", &[series]);
        assert!(picture.contains("M70.0 66.2L590.0 260.0"), "{picture}");
        assert!(picture.contains("15,000"));
    }
}
