//! TLS to the servers that a node calls: one library for all of them, and one way to trust.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};

/// These authorities.
///
/// # Errors
/// When there is none among them.
pub fn trusting(found: Vec<CertificateDer<'static>>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found);
    if added == 0 { Err("there is no authority to trust".to_owned()) } else { Ok(roots) }
}

/// The authorities of this machine, or those that `SSL_CERT_FILE` names.
///
/// # Errors
/// When there is none.
pub fn of_this_machine() -> Result<RootCertStore, String> {
    trusting(rustls_native_certs::load_native_certs().certs)
}

/// A client that believes these authorities and shows no certificate of its own.
///
/// # Errors
/// When the library can't do with its own algorithms.
pub fn client(roots: RootCertStore) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_no_authority() {
        let nonsense = CertificateDer::from(vec![1, 2, 3]);
        for found in [vec![], vec![nonsense]] {
            assert_eq!(trusting(found).unwrap_err(), "there is no authority to trust");
        }
    }
}
