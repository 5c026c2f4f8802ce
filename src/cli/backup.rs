//! `chorus backup FILE`: a copy of the embedded database, made while the node runs.

use std::path::Path;

use super::Failure;
use crate::{config::Config, store::sqlite::SqliteStore};

pub(super) fn run(file: &Path, config: &Config) -> Result<String, Failure> {
    if config.database.is_some() {
        let why = "the database is a PostgreSQL server: back that up by its own means, such as pg_dump";
        return Err(Failure(why.to_owned()));
    }
    SqliteStore::back_up(&config.data_dir, file)?;
    let secret = config.data_dir.join("jwt_secret");
    let beside = if config.jwt_secret.is_none() && secret.exists() {
        format!(" The secret that signs tokens is not in it: keep {} as well.", secret.display())
    } else {
        String::new()
    };
    Ok(format!("{} holds the database as it is now.{beside}", file.display()))
}
