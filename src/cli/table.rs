//! A table of text for people: columns as wide as they need, numbers to the right. Programs are given
//! JSON instead.

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A table.
pub(super) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// One with these columns.
    pub(super) fn of(columns: &[(&str, Side)]) -> Self {
        Self {
            sides: columns.iter().map(|(_, side)| *side).collect(),
            rows: vec![columns.iter().map(|(name, _)| name.to_uppercase()).collect()],
        }
    }

    /// Adds a row. What could disturb a terminal is left out, and an empty cell is a dash.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let clean = |cell: String| {
            let cell: String = cell.chars().filter(|c| !c.is_control()).collect();
            if cell.is_empty() { "-".to_owned() } else { cell }
        };
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    /// The whole, without a space at the end of any line.
    pub(super) fn text(&self) -> String {
        let width =
            |at: usize| self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.sides.len()).map(|at| width(at).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).zip(&self.sides).map(|((cell, width), side)| match side {
                Side::Left => format!("{cell:<width$}"),
                Side::Right => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// A time as people say it, in the two largest units.
pub(super) fn spoken(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_disturbs_the_terminal() {
        let mut table = Table::of(&[
            ("node", Side::Left),
            ("sockets", Side::Right),
            ("note", Side::Left),
        ]);
        table.row(["a:8080".to_owned(), "7".to_owned(), String::new()]);
        table.row([
            "somewhere:8080".to_owned(),
            "12345".to_owned(),
            "\u{1b}[2Jx".to_owned(),
        ]);
        let expected = "NODE            SOCKETS  NOTE\n\
                        a:8080                7  -\n\
                        somewhere:8080    12345  [2Jx";
        assert_eq!(table.text(), expected);
    }

    #[test]
    fn times_are_said_in_two_units() {
        let said = [0, 59, 60, 3599, 3600, 90_061].map(spoken);
        assert_eq!(said, ["0s", "59s", "1m 0s", "59m 59s", "1h 0m", "1d 1h"]);
    }
}
