//! The reference of all settings, `docs/configuration.md`, made from the table: `chorus config
//! --markdown` prints it, and a test fails while the file is another one. Pure.

use std::fmt::Write;

use super::settings::{self, Kind, Setting};

const HEAD: &str = "\
# Settings

Made from the code by `chorus config --markdown >docs/configuration.md`; a test fails while this page is another one.
`chorus --help` has the same in short, and `chorus config` says whether the settings of where you are would do.

Each is a flag (`PORT` is `--port`), a variable of the environment, or a line of a file `.env` in the working folder; the
first of them that is given counts, and an empty one counts as not given. A secret is never a flag, which everybody on the
machine could read, and is never printed. It can be read from a file: `JWT_SECRET_FILE` (or the flag `--jwt-secret-file`)
names that of `JWT_SECRET`. Both at once is a mistake.

Settings are read once, at the start: a change of any of them wants a restart of the node, and of one node after the other
in a cluster. All mistakes are told at once, with the names of the variables, and the node does not start with one.
";

/// The headings, each with the setting that its table begins with.
const SECTIONS: &[(&str, Setting)] = &[
    ("Addresses, logs, places", settings::PORT),
    ("Secrets", settings::JWT_SECRET),
    ("Database and cluster", settings::DATABASE_URL),
    ("Who may come", settings::ALLOWED_ORIGINS),
    ("Limits", settings::RATE_LIMIT_PER_HOUR),
    ("Sign-ins and sockets", settings::BCRYPT_COST),
    ("Reports", settings::SENTRY_DSN),
];

/// The whole page.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for setting in settings::ALL {
        if let Some((title, _)) = SECTIONS.iter().find(|(_, first)| first.name == setting.name) {
            let _ = write!(
                page,
                "\n## {title}\n\n| setting | default | takes | what it does |\n|---|---|---|---|\n"
            );
        }
        let _ = writeln!(page, "{}", row(setting));
    }
    page
}

fn row(setting: &Setting) -> String {
    let default = if setting.default.is_empty() {
        "none".to_owned()
    } else {
        format!("`{}`", setting.default)
    };
    let takes = match setting.kind {
        Kind::Number { min, max, unit } => format!("{min} to {max} ({unit})"),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Text(form) => form.to_owned(),
        Kind::Secret => format!("a secret, also by `{}`", setting.file_variable()),
    };
    let more = if setting.more.is_empty() { String::new() } else { format!(" {}", setting.more) };
    format!("| `{}` | {default} | {takes} | {}.{more} |", setting.name, setting.help)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn file(name: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
    }

    #[test]
    fn the_page_is_what_the_table_says() {
        assert!(
            file("docs/configuration.md") == markdown(),
            "stale: cargo run -- config --markdown >docs/configuration.md"
        );
    }

    #[test]
    fn every_setting_has_a_row_below_a_heading_and_none_breaks_it() {
        let page = markdown();
        let first_heading = page.find("\n## ").unwrap();
        for setting in settings::ALL {
            let at = page.find(&format!("\n| `{}` |", setting.name));
            assert!(at.is_some_and(|at| at > first_heading), "{}", setting.name);
            assert_eq!(row(setting).matches('|').count(), 5, "{}", setting.name);
            assert!(!setting.help.ends_with('.'), "{}: the row adds the full stop", setting.name);
        }
        for (title, _) in SECTIONS {
            assert!(page.contains(&format!("\n## {title}\n")), "{title}");
        }
    }

    #[test]
    fn the_example_file_names_every_setting_with_its_default() {
        let example = file(".env.example");
        let lines: Vec<&str> = example.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        for setting in settings::ALL {
            let given = lines.iter().find_map(|line| line.strip_prefix(&format!("{}=", setting.name)));
            let Some(given) = given else {
                panic!("{} is not in .env.example", setting.name)
            };
            let value = given.split("  ").next().unwrap_or_default().trim();
            let fixed = matches!(setting.kind, Kind::Number { .. } | Kind::Flag);
            assert!(!fixed || value == setting.default, "{}: {value}", setting.name);
        }
    }
}
