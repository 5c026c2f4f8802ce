//! Signing in to a broker (SASL): by the password itself, or by showing that one knows it.

use std::io;

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{
    line::Line,
    named,
    requests::{authenticate, handshake},
    scram::{Hash, Scram},
};

/// Who we are.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name.
    pub user: String,
    /// What only we know.
    pub password: SecretString,
    /// How it is shown.
    pub mechanism: Mechanism,
}

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// The password is sent: only with TLS is that a secret.
    Plain,
    /// SCRAM with SHA-256 (RFC 7677).
    ScramSha256,
    /// SCRAM with SHA-512.
    ScramSha512,
}

impl Mechanism {
    /// As brokers call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Signs in. No words of an error repeat the password.
pub(super) async fn sign_in(line: &mut Line, login: &Login) -> io::Result<()> {
    let mechanism = login.mechanism.name();
    let (code, offered) = line.ask(&handshake(mechanism).map_err(io::Error::other)?).await?;
    if code != 0 {
        let offered = offered.join(", ");
        return Err(denied(format!("{mechanism} is not offered; what is: {offered}")));
    }
    let hash = match login.mechanism {
        Mechanism::Plain => {
            let password = login.password.expose_secret();
            let told = format!("\0{}\0{password}", login.user).into_bytes();
            return step(line, told).await.map(drop);
        }
        Mechanism::ScramSha256 => Hash::Sha256,
        Mechanism::ScramSha512 => Hash::Sha512,
    };
    let nonce = Uuid::new_v4().simple().to_string();
    let scram = Scram::new(hash, &login.user, &nonce);
    let challenge = step(line, scram.first().into_bytes()).await?;
    let (last, proof) = scram.last(&challenge, login.password.expose_secret()).map_err(denied)?;
    let verdict = step(line, last.into_bytes()).await?;
    proof.holds(&verdict).map_err(denied)
}

async fn step(line: &mut Line, told: Vec<u8>) -> io::Result<Vec<u8>> {
    let verdict = line.ask(&authenticate(told).map_err(io::Error::other)?).await?;
    match verdict.code {
        0 => Ok(verdict.told),
        code if verdict.why.is_empty() => Err(denied(named(code))),
        _ => Err(denied(verdict.why)),
    }
}

fn denied(why: String) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        ["it does not let us in: ".to_owned(), why].concat(),
    )
}
