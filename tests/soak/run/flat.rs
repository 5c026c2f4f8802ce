//! Whether what the chat uses is flat in the end. Only calm points are compared: the crowd is the same at
//! each. A process that was started anew begins another line.
//!
//! Two questions: what is counted (descriptors, tasks, keys) must be as many at the last calm point as at the
//! first; and the line of whatever lives long enough in the second half of the run must rise by about
//! nothing, by least squares.

use super::{
    gauges::{OfNode, Sample},
    plan::NODES,
    stage::CONNECTIONS,
};

/// A line is judged when it has so many calm points, over so many seconds.
const POINTS: usize = 8;
const SECONDS: f64 = 180.0;
/// What a process takes in its first seconds is no slope.
const WARM: f64 = 180.0;
/// Descriptors or tasks beside sockets may differ by this: a pool of connections is filled only when there
/// is much to do, and calls of the last seconds are under way. One lost at each reconnect would be hundreds.
const BESIDE: f64 = 24.0;
/// Keys may differ by this: what somebody has said lately is one for each person, until the window is over.
const KEYS: f64 = 24.0;
/// Sessions that PostgreSQL may have beside those of full pools: one that a node gave up, because a line went silent
/// under it, lives until the server has looked for it, for three seconds.
const GIVEN_UP: f64 = NODES as f64;
/// What the line of descriptors or tasks may rise by in a minute, in which some thirty sockets are opened.
const RISE: f64 = 0.5;
/// In KiB a minute. Over a run, calm points with it, people say some 720 messages in a minute, and each node
/// delivers each to five of them: one that kept 182 bytes of each message, or 36 of each delivery, would be
/// above this.
const MEMORY: f64 = 128.0;

/// A limit, and what was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub what: String,
    pub found: f64,
    pub most: f64,
}

impl Finding {
    pub const fn holds(&self) -> bool {
        self.found <= self.most
    }
}

/// A figure of one process: seconds, and how much.
pub type Line = Vec<(f64, f64)>;

/// Something of a node that is counted.
type Figure = fn(&OfNode) -> Option<f64>;

/// Everything that is asserted of these looks.
pub fn judge(samples: &[Sample]) -> Vec<Finding> {
    let calm: Vec<&Sample> = samples.iter().filter(|sample| sample.calm).collect();
    let half = samples.last().map_or(0.0, |sample| sample.at / 2.0);
    let mut found = Vec::new();
    for node in 0..NODES {
        let counted: [(&str, Figure); 2] = [
            ("descriptors beside sockets", |node| Some(node.descriptors - node.told?.sockets)),
            ("tasks beside sockets", |node| Some(node.told?.tasks? - node.told?.sockets)),
        ];
        for (what, figure) in counted {
            let (what, lines) = (format!("node{}, {what}", node + 1), lines(&calm, node, figure));
            found.extend(returns(&what, lines.iter().flatten(), BESIDE));
            let rise = |slope| Finding {
                what: format!("{what}, more each minute"),
                found: slope,
                most: RISE,
            };
            found.extend(lines.iter().filter_map(|line| per_minute(line, half)).map(rise));
        }
        let memory = lines(&calm, node, |node| Some(node.memory / 1024.0));
        let rise = |slope| Finding {
            what: format!("node{}, KiB of memory more each minute", node + 1),
            found: slope,
            most: MEMORY,
        };
        found.extend(memory.iter().filter_map(|line| per_minute(line, half)).map(rise));
    }
    let keys: Line = calm.iter().filter_map(|of| Some((of.at, of.redis?.keys))).collect();
    found.extend(returns("Redis, keys", keys.iter(), KEYS));
    found.push(Finding {
        what: "PostgreSQL, most sessions of the nodes at a calm point".to_owned(),
        found: calm.iter().filter_map(|of| of.sessions).fold(0.0, f64::max),
        most: f64::from(CONNECTIONS) * NODES as f64 + GIVEN_UP,
    });
    found
}

/// A figure of one node over these samples, a line for each of its processes.
pub fn lines(samples: &[&Sample], node: usize, figure: Figure) -> Vec<Line> {
    let mut lines: Vec<(u32, Line)> = Vec::new();
    for sample in samples {
        let Some(Some(of)) = sample.nodes.get(node) else { continue };
        let Some(value) = figure(of) else { continue };
        match lines.last_mut().filter(|(process, _)| *process == of.process) {
            Some((_, line)) => line.push((sample.at, value)),
            None => lines.push((of.process, vec![(sample.at, value)])),
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

/// At the last calm point there are as many as at the first, or nearly.
fn returns<'a>(what: &str, points: impl Iterator<Item = &'a (f64, f64)>, slack: f64) -> Option<Finding> {
    let values: Vec<f64> = points.map(|(_, value)| *value).collect();
    let (first, last) = (values.first()?, values.last()?);
    Some(Finding {
        what: format!("{what}, at the end; {first:.0} at the beginning"),
        found: *last,
        most: first + slack,
    })
}

/// How much a line rises in a minute, after this time and when its process is warm; nothing of a short one.
fn per_minute(line: &[(f64, f64)], after: f64) -> Option<f64> {
    let warm = line.first()?.0 + WARM;
    let late: Line = line.iter().copied().filter(|(at, _)| *at >= after.max(warm)).collect();
    let span = late.last()?.0 - late.first()?.0;
    if late.len() < POINTS || span < SECONDS {
        return None;
    }
    slope(&late).map(|slope| slope * 60.0)
}

/// By how much a line through the points rises in a second, by least squares.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let together: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (spread > 0.0).then(|| together / spread)
}

#[cfg(test)]
mod tests {
    use super::{super::gauges::Told, *};

    /// A calm look every 20 s for half an hour at three nodes like this one.
    fn looks(node: impl Fn(f64) -> OfNode) -> Vec<Sample> {
        let at = |step: u32| f64::from(step) * 20.0;
        let look = |at| Sample {
            at,
            calm: true,
            nodes: vec![Some(node(at)); NODES],
            ..Sample::default()
        };
        (0..90).map(at).map(look).collect()
    }

    /// It breathes: nothing is quite the same at two looks.
    fn steady(at: f64) -> OfNode {
        let breath = (at / 7.0).sin();
        OfNode {
            process: 1,
            memory: 30e6 + 200e3 * breath,
            descriptors: (40.0 + 3.0 * breath).round(),
            threads: 9.0,
            told: Some(Told { sockets: 5.0, tasks: Some((60.0 + 3.0 * breath).round()) }),
        }
    }

    fn broken(samples: &[Sample]) -> Vec<String> {
        judge(samples)
            .into_iter()
            .filter(|finding| !finding.holds())
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn what_breathes_is_flat() {
        let findings = judge(&looks(steady));
        assert_eq!(broken(&looks(steady)), [""; 0]);
        // Memory, descriptors twice and tasks twice of each node, and the sessions.
        assert_eq!(findings.len(), 5 * NODES + 1, "{findings:?}");
    }

    #[test]
    fn a_message_in_ten_that_is_kept_is_seen() {
        // 144 a minute, a kilobyte each with what it takes to hold it.
        let leaks = |at: f64| OfNode { memory: steady(at).memory + at / 60.0 * 144e3, ..steady(at) };
        let found = broken(&looks(leaks));
        assert_eq!(found.len(), NODES, "{found:?}");
        assert!(found[0].contains("memory"), "{found:?}");
    }

    #[test]
    fn a_descriptor_a_minute_that_is_lost_is_seen() {
        let leaks = |at: f64| OfNode {
            descriptors: steady(at).descriptors + (at / 60.0).floor(),
            ..steady(at)
        };
        assert_eq!(broken(&looks(leaks)).len(), 2 * NODES, "{:?}", judge(&looks(leaks)));
    }

    #[test]
    fn another_process_is_another_line_and_a_young_one_is_not_judged() {
        let anew = |at: f64| OfNode {
            process: 1 + (at / 200.0) as u32,
            memory: 20e6 + (at % 200.0) * 1e5,
            ..steady(at)
        };
        assert_eq!(broken(&looks(anew)), [""; 0]);
        let samples = looks(anew);
        let all: Vec<&Sample> = samples.iter().collect();
        assert_eq!(lines(&all, 0, |node| Some(node.memory)).len(), 9);
    }

    #[test]
    fn a_slope_is_that_of_the_points() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), Some(2.0));
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 2.0), (2.0, 1.0)]), Some(0.0));
        assert_eq!(slope(&[(1.0, 1.0)]), None);
        assert_eq!(slope(&[]), None);
    }
}
