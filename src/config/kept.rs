//! Secrets that a node makes for itself and keeps in `DATA_DIR`, readable by its owner only.
//!
//! A kept secret is complete or not there: it is written and synced under another name and then
//! linked to its own, which succeeds for exactly one of several nodes that start at once; all of
//! them read what that one wrote.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use secrecy::SecretString;
use uuid::Uuid;

/// The name of the token with which this machine's operator may administer a running node.
pub const ADMIN_TOKEN: &str = "admin_token";

/// The secret of this name: the kept one, or a new one that is kept from now on.
///
/// # Errors
/// When the folder can't be written or what is kept is shorter than a secret must be.
pub fn open_or_make(dir: &Path, name: &str) -> io::Result<SecretString> {
    let place = dir.join(name);
    if !place.try_exists()? {
        let draft = draft(dir, name)?;
        let linked = fs::hard_link(&draft, &place);
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => File::open(dir)?.sync_all()?,
        }
    }
    read(&place)
}

/// A new secret under this name, whatever was there before.
///
/// # Errors
/// When the folder can't be written.
pub fn replace(dir: &Path, name: &str) -> io::Result<SecretString> {
    let draft = draft(dir, name)?;
    let place = dir.join(name);
    fs::rename(&draft, &place)?;
    read(&place)
}

/// The kept secret.
///
/// # Errors
/// When there is none or it is too short.
pub fn read(place: &Path) -> io::Result<SecretString> {
    let text = fs::read_to_string(place)?;
    let text = text.trim();
    if text.len() < super::SECRET_MIN_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the kept secret is shorter than 32 bytes",
        ));
    }
    Ok(text.to_owned().into())
}

/// 244 random bits as 64 hexadecimal digits, synced to a file nobody else has.
fn draft(dir: &Path, name: &str) -> io::Result<std::path::PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let place = dir.join(format!(".{name}.{}", Uuid::new_v4().simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place)?;
    write!(file, "{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())?;
    file.sync_all()?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn racing_starts_agree_on_one_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let secrets: Vec<String> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| open_or_make(&path, "jwt_secret").unwrap().expose_secret().to_owned())
                })
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(secrets[0].len(), 64);
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "no draft is left");
        let mode = fs::metadata(path.join("jwt_secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_short_secret_is_refused_and_a_replaced_one_is_new() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("jwt_secret"), "short").unwrap();
        assert!(open_or_make(dir.path(), "jwt_secret").is_err());
        let first = replace(dir.path(), "admin_token").unwrap();
        let second = replace(dir.path(), "admin_token").unwrap();
        assert_ne!(first.expose_secret(), second.expose_secret());
    }
}
