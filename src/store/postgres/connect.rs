//! How a server is reached: the URL, TLS by `sslmode`, and the limits of a session.

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::OpenError;
use crate::tls;

/// The first key of our advisory locks: "CHOR".
pub(super) const KEY_SPACE: i32 = 0x4348_4f52;
/// The second key of the lock under which schemas are migrated.
pub(super) const KEY_MIGRATION: i32 = 1;
/// The second key of the node lock.
pub(super) const KEY_NODE: i32 = 2;

/// The limits of a session that nodes work with; below what the client leaves a statement (`calls`),
/// so that what is given up here has ended there. Those that not every server knows are set where they are. The server
/// looks for a client that went silent after it had locked a room: after three seconds it is gone, and its lock with it.
pub(super) const WORK: &str = "SET statement_timeout = '1000ms'; SET lock_timeout = '850ms';
    SET idle_in_transaction_session_timeout = '1500ms'; SET synchronous_commit = on; SET jit = off;
    SELECT set_config(name, wanted, false) FROM pg_settings JOIN (VALUES
        ('client_connection_check_interval', '1000'), ('transaction_timeout', '1500'),
        ('tcp_keepalives_idle', '1'), ('tcp_keepalives_interval', '1'), ('tcp_keepalives_count', '2')
    ) limits (name, wanted) USING (name)";
/// Of one that migrates: a statement may take long, but nobody waits behind one that waits.
pub(super) const MIGRATE: &str = "SET lock_timeout = '10s'; SET jit = off";
/// Of one that holds the node lock and does nothing.
pub(super) const HOLD: &str = "SET statement_timeout = '1500ms'";

/// How long making a connection may take, the session's settings included.
const CREATE: Duration = Duration::from_millis(1500);
/// How long the network may leave a line without a sign of life.
const SILENCE: Duration = Duration::from_secs(10);
/// How long what was sent may stay unacknowledged by the other side's kernel.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// A server, ready to be connected to.
#[derive(Clone)]
pub(super) struct Target {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl Target {
    /// Of a URL as libpq understands it.
    pub(super) fn parse(url: &SecretString) -> Result<Self, OpenError> {
        let (url, tls) = TlsMode::split(url.expose_secret())?;
        // The library's own words may repeat a part of the URL.
        let parsed = url.parse::<tokio_postgres::Config>();
        let mut config =
            parsed.map_err(|_| OpenError::Url("is not a PostgreSQL URL that can be read".to_owned()))?;
        config
            .ssl_mode(tls.mode)
            .connect_timeout(CREATE)
            .keepalives(true)
            .keepalives_idle(SILENCE)
            .keepalives_interval(SILENCE / 4)
            .keepalives_retries(3)
            .tcp_user_timeout(UNACKNOWLEDGED);
        if config.get_application_name().is_none() {
            config.application_name("chorus");
        }
        Ok(Self { config, tls: MakeRustlsConnect::new(tls.client()?) })
    }

    /// At most `size` sessions with these settings, made when they are needed.
    pub(super) fn pool(&self, size: usize, settings: &'static str) -> Result<Pool, OpenError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycling);
        let prepare = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { client.batch_execute(settings).await.map_err(HookError::Backend) })
        });
        Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CREATE))
            .create_timeout(Some(CREATE))
            .recycle_timeout(Some(CREATE / 3))
            .post_create(prepare)
            .build()
            .map_err(|error| OpenError::Unreachable(error.to_string()))
    }
}

/// What `sslmode` asks for. libpq's words; the client library knows only three of them.
struct TlsMode {
    mode: SslMode,
    trust: Trust,
    roots: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Whoever answers: against listeners only.
    Anybody,
    /// Whom a known authority vouches for, by whatever name.
    Known,
    /// And by the name in the URL.
    Named,
}

impl TlsMode {
    /// Takes `sslmode` and `sslrootcert` out of a URL; the rest is the library's.
    fn split(url: &str) -> Result<(String, Self), OpenError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut rest) = ("prefer", None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = value,
                Some(("sslrootcert", value)) => roots = Some(decoded(value)),
                _ => rest.push(pair),
            }
        }
        let (mode, trust) = match mode {
            "disable" => (SslMode::Disable, Trust::Anybody),
            "allow" | "prefer" => (SslMode::Prefer, Trust::Anybody),
            // With a root of its own, `require` means `verify-ca`, as in libpq.
            "require" if roots.is_none() => (SslMode::Require, Trust::Anybody),
            "require" | "verify-ca" => (SslMode::Require, Trust::Known),
            "verify-full" => (SslMode::Require, Trust::Named),
            _ => {
                let words =
                    "has an sslmode that is none of disable, allow, prefer, require, verify-ca, verify-full";
                return Err(OpenError::Url(words.to_owned()));
            }
        };
        let rest = rest.join("&");
        let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{rest}") };
        Ok((url, Self { mode, trust, roots }))
    }

    fn client(&self) -> Result<ClientConfig, OpenError> {
        let failed =
            |error: &dyn std::fmt::Display| OpenError::Url(format!("can't be used with TLS: {error}"));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?;
        let verifier = match self.trust {
            Trust::Anybody => None,
            Trust::Known | Trust::Named => {
                let roots = Arc::new(self.roots().map_err(|error| failed(&error))?);
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
                Some(verifier.map_err(|error| failed(&error))?)
            }
        };
        if let (Trust::Named, Some(verifier)) = (self.trust, verifier.clone()) {
            return Ok(builder.with_webpki_verifier(verifier).with_no_client_auth());
        }
        let lenient = Arc::new(Lenient { provider, chain: verifier });
        Ok(builder.dangerous().with_custom_certificate_verifier(lenient).with_no_client_auth())
    }

    /// The authorities: those of `sslrootcert`, else the system's.
    fn roots(&self) -> Result<RootCertStore, String> {
        match &self.roots {
            Some(path) if path != "system" => CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| format!("sslrootcert {path}: {error}"))
                .and_then(tls::trusting),
            _ => tls::of_this_machine(),
        }
    }
}

/// `%XX` becomes the byte it stands for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = digits.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *byte == b'%');
        bytes.push(decoded.unwrap_or(*byte));
        rest = if decoded.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Verifies less than the name: the chain alone, or only that the other side has the key it shows.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    chain: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_of_libpq_are_known() {
        let split = |url: &str| TlsMode::split(url).map(|(url, tls)| (url, tls.mode));
        let plain = "postgres://u:p@h:1/d";
        assert_eq!(split(plain).unwrap(), (plain.to_owned(), SslMode::Prefer));
        let full = format!("{plain}?connect_timeout=3&sslmode=verify-full&sslrootcert=/a%20b");
        assert_eq!(split(&full).unwrap(), (format!("{plain}?connect_timeout=3"), SslMode::Require));
        assert_eq!(split("postgres://h/d?sslmode=disable").unwrap().1, SslMode::Disable);
        assert!(split("postgres://h/d?sslmode=maybe").is_err());
    }

    #[test]
    fn no_error_repeats_the_url() {
        for url in [
            "postgres://u:hidden@h:port/d",
            "postgres://u:hidden@h/d?sslmode=hidden",
        ] {
            let error = Target::parse(&url.into()).err().unwrap();
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }

    #[test]
    fn a_path_is_decoded() {
        assert_eq!(decoded("/a%20b%"), "/a b%");
        assert_eq!(decoded("%zz%41"), "%zzA");
    }
}
