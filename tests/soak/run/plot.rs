//! The run as a picture (SVG, written by hand): memory, descriptors, tasks and keys over time, below them
//! when what was broken. It brings its own ground, so that it can be read on a light and on a dark page.

use std::fmt::Write;

use super::{
    fault::Part,
    flat::{Line, lines},
    gauges::Sample,
    plan::NODES,
    summary::Span,
};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 64.0;
const PANEL: f64 = 96.0;
const GAP: f64 = 36.0;
/// Height of the rows that say what was broken.
const ROW: f64 = 14.0;

const STYLE: &str = "<style>
.ground{fill:#ffffff;stroke:#d0d7de}
text{font:12px system-ui,sans-serif;fill:#1f2328}
.title{font-weight:600;font-size:15px}
.note{fill:#59636e}
.axis{stroke:#d0d7de}
.line{fill:none;stroke-width:1.5}
.n0{stroke:#0969da}.n1{stroke:#bc4c00}.n2{stroke:#1a7f37}.n3{stroke:#59636e}
.k0{fill:#0969da}.k1{fill:#bc4c00}.k2{fill:#1a7f37}
.band{fill:#cf222e}
@media(prefers-color-scheme:dark){
.ground{fill:#161b22;stroke:#30363d}
text{fill:#e6edf3}.note{fill:#9198a1}
.axis{stroke:#30363d}
.n0{stroke:#4493f8}.n1{stroke:#f0883e}.n2{stroke:#3fb950}.n3{stroke:#9198a1}
.k0{fill:#4493f8}.k1{fill:#f0883e}.k2{fill:#3fb950}
.band{fill:#f85149}
}
</style>
";

/// A diagram with its lines; each has the number of its colour.
struct Panel {
    title: &'static str,
    lines: Vec<(usize, Line)>,
}

/// The whole picture.
pub fn draw(title: &str, samples: &[Sample], spans: &[Span]) -> String {
    let end = samples.last().map_or(1.0, |sample| sample.at.max(1.0));
    let x = |at: f64| LEFT + (at / end).clamp(0.0, 1.0) * (RIGHT - LEFT);
    let mut body = legend();
    let mut top = TOP;
    for panel in panels(samples) {
        panel.draw(&mut body, top, &x);
        top += PANEL + GAP;
    }
    let rows = [
        (Part::Nodes, "nodes"),
        (Part::Redis, "Redis"),
        (Part::Postgres, "PostgreSQL"),
        (Part::Lines, "lines"),
        (Part::Nginx, "nginx"),
    ];
    let _ = writeln!(body, "<text x=\"{LEFT}\" y=\"{:.0}\">what was broken</text>", top - 6.0);
    for (part, name) in rows {
        let _ = writeln!(
            body,
            "<text class=\"note\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\" style=\"font-size:10px\">{name}</text>",
            LEFT - 6.0,
            top + ROW - 4.0
        );
        for span in spans.iter().filter(|span| span.part == part) {
            let (from, width) = (x(span.from), (x(span.to) - x(span.from)).max(1.0));
            let _ = writeln!(
                body,
                "<rect class=\"band\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.0}\"/>",
                ROW - 3.0
            );
        }
        top += ROW;
    }
    minutes(&mut body, top, end, &x);
    picture(title, top + 30.0, &body)
}

fn panels(samples: &[Sample]) -> Vec<Panel> {
    let all: Vec<&Sample> = samples.iter().collect();
    let of = |figure: fn(&super::gauges::OfNode) -> Option<f64>| {
        let node = |node| lines(&all, node, figure).into_iter().map(move |line| (node, line));
        (0..NODES).flat_map(node).collect::<Vec<_>>()
    };
    let keys = samples.iter().filter_map(|of| Some((of.at, of.redis?.keys))).collect();
    let panels = [
        ("memory of each node, MiB", of(|node| Some(node.memory / 1_048_576.0))),
        ("open descriptors", of(|node| Some(node.descriptors))),
        ("tasks", of(|node| node.told?.tasks)),
        ("keys in Redis", vec![(NODES, keys)]),
    ];
    let told = panels.into_iter().filter(|(_, lines)| lines.iter().any(|(_, line)| !line.is_empty()));
    told.map(|(title, lines)| Panel { title, lines }).collect()
}

impl Panel {
    fn draw(&self, body: &mut String, top: f64, x: &impl Fn(f64) -> f64) {
        let values = self.lines.iter().flat_map(|(_, line)| line).map(|(_, value)| *value);
        let most = round_up(values.fold(1.0, f64::max));
        let y = |value: f64| top + PANEL - value / most * PANEL;
        let _ = writeln!(body, "<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>", top - 6.0, self.title);
        for value in [0.0, most / 2.0, most] {
            let _ = writeln!(
                body,
                "<path class=\"axis\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>\
                 <text class=\"note\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                LEFT - 6.0,
                y(value) + 4.0,
                at = y(value)
            );
        }
        for (colour, line) in &self.lines {
            let points: Vec<String> =
                line.iter().map(|(at, value)| format!("{:.1} {:.1}", x(*at), y(*value))).collect();
            if !points.is_empty() {
                let path = points.join("L");
                let _ = writeln!(body, "<path class=\"line n{colour}\" d=\"M{path}\"/>");
            }
        }
    }
}

/// The next of 10, 20, 40, 100, 200, 400 …
fn round_up(value: f64) -> f64 {
    let mut step = 10.0;
    loop {
        for by in [1.0, 2.0, 4.0] {
            if value <= step * by {
                return step * by;
            }
        }
        step *= 10.0;
    }
}

fn legend() -> String {
    let mut body = String::new();
    for node in 0..NODES {
        let left = RIGHT - 180.0 + 64.0 * node as f64;
        let _ = writeln!(
            body,
            "<rect class=\"k{node}\" x=\"{left:.0}\" y=\"22\" width=\"10\" height=\"10\"/>\
             <text class=\"note\" x=\"{:.0}\" y=\"31\">node{}</text>",
            left + 14.0,
            node + 1
        );
    }
    body
}

fn minutes(body: &mut String, top: f64, end: f64, x: &impl Fn(f64) -> f64) {
    let step = [30.0, 60.0, 300.0, 900.0, 3_600.0].into_iter().find(|step| end / step <= 8.0);
    let step = step.unwrap_or(end / 8.0);
    let mut at = 0.0;
    while at <= end {
        let _ = writeln!(
            body,
            "<text class=\"note\" x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{:.1} min</text>",
            x(at).min(RIGHT - 14.0),
            top + 14.0,
            at / 60.0
        );
        at += step;
    }
}

fn picture(title: &str, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\">\n<title>{title}</title>\n{STYLE}\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"20\" y=\"31\">{title}</text>\n{body}</svg>\n",
        WIDTH - 1.0,
        height - 1.0
    )
}

#[cfg(test)]
mod tests {
    use super::{
        super::gauges::{OfNode, OfRedis},
        *,
    };

    fn sample(at: f64, process: u32) -> Sample {
        let node = OfNode {
            process,
            memory: 3e7,
            descriptors: 50.0,
            threads: 9.0,
            told: None,
        };
        Sample {
            at,
            nodes: vec![Some(node), None, None],
            redis: Some(OfRedis { keys: 12.0, memory: 1e6 }),
            ..Sample::default()
        }
    }

    #[test]
    fn a_new_process_is_a_new_line_and_all_stay_within_the_frame() {
        let samples = [
            sample(0.0, 1),
            sample(60.0, 1),
            sample(120.0, 2),
            sample(180.0, 2),
        ];
        let span = Span {
            from: 60.0,
            to: 90.0,
            part: Part::Nodes,
            what: "node killed".to_owned(),
        };
        let picture = draw("A run", &samples, &[span]);
        // Memory and descriptors of two processes each; this program tells no tasks; keys.
        assert_eq!(picture.matches("class=\"line").count(), 5, "{picture}");
        assert!(!picture.contains(">tasks<") && picture.contains(">keys in Redis<"));
        assert!(picture.contains("class=\"band\" x=\"288.0\""), "{picture}");
        let places = picture.split(" d=\"M").skip(1).filter_map(|path| path.split(['"', ' ', 'H']).next());
        for x in places.map(|x| x.parse::<f64>().unwrap()) {
            assert!((LEFT..=RIGHT).contains(&x), "{x}");
        }
    }

    #[test]
    fn axes_end_at_round_figures() {
        let ends = [3.0, 11.0, 40.0, 41.0, 900.0].map(round_up).map(|end| end.to_string());
        assert_eq!(ends, ["10", "20", "40", "100", "1000"]);
    }
}
