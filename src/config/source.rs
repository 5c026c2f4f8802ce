//! Where settings come from: flags, then the environment, then `.env`; a secret also from the
//! file that `NAME_FILE` names.

use std::{collections::HashMap, fs};

use super::{
    Problem,
    settings::{self, Setting},
};

/// What was given as flags, by variable. Every row of the table is a flag.
#[derive(Debug, Clone, Default)]
pub struct Flags(HashMap<String, String>);

impl clap::Args for Flags {
    fn augment_args(command: clap::Command) -> clap::Command {
        settings::ALL.iter().fold(command, |command, setting| {
            command.arg(
                clap::Arg::new(setting.variable())
                    .long(setting.flag())
                    .value_name(setting.variable())
                    .help(setting.explained())
                    .help_heading("Settings (each also as a variable of that name)")
                    .global(true),
            )
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        for setting in settings::ALL {
            let variable = setting.variable();
            if let Some(value) = matches.get_one::<String>(&variable) {
                self.0.insert(variable, value.clone());
            }
        }
        Ok(())
    }
}

/// Takes `.env` of the working folder, if there is one, into the environment; what is there
/// already wins. To be called before the first thread starts, and before OpenTelemetry reads its
/// own variables.
///
/// # Errors
/// When the file can't be read. The reason does not repeat the line: it may hold a secret.
pub fn load_dotenv() -> Result<(), Problem> {
    match dotenvy::dotenv() {
        Err(error) if !error.not_found() => Err(Problem::new(".env", "has a line that can't be read")),
        _ => Ok(()),
    }
}

/// All values that were given, secrets read from their files.
#[derive(Debug, Default)]
pub(super) struct Given {
    values: HashMap<String, String>,
    /// What was wrong with the files.
    pub(super) problems: Vec<Problem>,
}

impl Given {
    /// Collects from the flags and then from `env`.
    pub(super) fn collect(flags: &Flags, env: impl Fn(&str) -> Option<String>) -> Self {
        let given =
            |name: &str| flags.0.get(name).cloned().or_else(|| env(name)).filter(|v| !v.trim().is_empty());
        let mut collected = Self::default();
        for setting in settings::ALL {
            let value = given(setting.name);
            let file = if setting.is_secret() { given(&setting.file_variable()) } else { None };
            let value = match file {
                Some(file) => collected.read_file(setting, value.as_deref(), &file),
                None => value,
            };
            collected.keep(setting.name, value);
        }
        collected
    }

    /// The value of a setting.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    fn keep(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.values.insert(name.to_owned(), value);
        }
    }

    fn read_file(&mut self, setting: &Setting, value: Option<&str>, file: &str) -> Option<String> {
        let variable = setting.file_variable();
        if value.is_some() {
            let reason = format!("is given besides {}; keep one of them", setting.name);
            self.problems.push(Problem::new(variable, reason));
            return None;
        }
        match fs::read_to_string(file) {
            Ok(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Ok(_) => self.complain(variable, "names an empty file"),
            Err(error) => {
                self.complain(variable, format!("names a file that can't be read: {}", error.kind()))
            }
        }
    }

    fn complain(&mut self, variable: String, reason: impl Into<String>) -> Option<String> {
        self.problems.push(Problem::new(variable, reason));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_its_file_but_not_from_both() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
        let file = file.to_str().unwrap().to_owned();

        let given =
            Given::collect(&Flags::default(), |name| (name == "JWT_SECRET_FILE").then(|| file.clone()));
        assert!(given.problems.is_empty());
        assert_eq!(given.get("JWT_SECRET").unwrap(), "0123456789abcdef0123456789abcdef");

        let given =
            Given::collect(&Flags::default(), |name| name.starts_with("JWT_SECRET").then(|| file.clone()));
        assert!(given.problems.iter().any(|problem| problem.name == "JWT_SECRET_FILE"));
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_empty_is_not_given() {
        let flags = Flags(HashMap::from([("PORT".to_owned(), "1".to_owned())]));
        let given = Given::collect(&flags, |name| Some(if name == "PORT" { "2" } else { " " }.to_owned()));
        assert_eq!(given.get("PORT").as_deref(), Some("1"));
        assert_eq!(given.get("BIND"), None);
        assert!(given.problems.is_empty());
    }
}
