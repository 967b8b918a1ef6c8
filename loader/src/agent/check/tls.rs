//! TLS around HTTP: which certificates are taken, and how that is told.

use super::socket::{connect, told};
use super::{Answer, Target, Verdict, failed, http};
use crate::model::check::{Http, Tls};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// Where systems keep the certificates of authorities.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What tells a file from the one that it was: device, inode, size, time of change.
type Stamp = (u64, u64, u64, i64, i64);

/// Configs, shared by all checks that trust the same.
#[derive(Debug, Default)]
pub struct Configs {
    trusting: RefCell<Option<Arc<ClientConfig>>>,
    by_file: RefCell<HashMap<PathBuf, (Stamp, Arc<ClientConfig>)>>,
}

impl Configs {
    /// The one for a check. A file of authorities is read again when it has changed.
    fn of(&self, tls: &Tls) -> Result<Arc<ClientConfig>, String> {
        if !tls.verify {
            let mut trusting = self.trusting.borrow_mut();
            if trusting.is_none() {
                *trusting = Some(Arc::new(trusting_all()?));
            }
            return trusting.clone().ok_or_else(String::new);
        }
        let path = match &tls.ca {
            Some(path) => PathBuf::from(path),
            None => system()?,
        };
        let stamp = stamp(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut by_file = self.by_file.borrow_mut();
        if let Some((known, config)) = by_file.get(&path)
            && *known == stamp
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(trusting(&path)?);
        by_file.insert(path, (stamp, Arc::clone(&config)));
        Ok(config)
    }
}

fn system() -> Result<PathBuf, String> {
    let mut files = SYSTEM.iter().map(Path::new);
    let found = files.find(|path| path.exists());
    found.map(Path::to_owned).ok_or_else(|| {
        "this host has no certificates of authorities: install ca-certificates, or name a file by `ca`".to_owned()
    })
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let data = fs::metadata(path)?;
    Ok((
        data.dev(),
        data.ino(),
        data.size(),
        data.mtime(),
        data.mtime_nsec(),
    ))
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    builder
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}

fn trusting(path: &Path) -> Result<ClientConfig, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| told(&error))? {
        let certificate = certificate.map_err(|error| told(&error))?;
        // Some of a system's are of kinds that nobody takes any more.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        return Err(format!(
            "{}: it has no certificate of an authority",
            path.display()
        ));
    }
    let mut config = builder()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A session that is resumed shows no certificate: one that has expired since, or
    // was replaced, would never be seen.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn trusting_all() -> Result<ClientConfig, String> {
    let provider = ring::default_provider();
    let builder = builder()?.dangerous();
    let verifier = Arc::new(Anybody(provider));
    Ok(builder
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Takes any certificate, since the config says so; whoever has it must still have
/// its key.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Asks inside TLS.
pub async fn ask(target: &Target, http: &Http, tls: &Tls, configs: &Configs) -> Answer {
    let config = configs.of(tls).map_err(Verdict::NotMade)?;
    let host = http.host.as_deref().map(without_port);
    let name = match tls.sni.as_deref().or(host) {
        Some(name) => ServerName::try_from(name.to_owned())
            .or_else(|_| failed(format!("'{name}' is no name of a server")))?,
        // An address is never sent as a name.
        None => ServerName::IpAddress(target.to.ip().into()),
    };
    let connection = connect(target).await?;
    let shaken = TlsConnector::from(config).connect(name, connection).await;
    let stream = shaken.map_err(|error| refused(&error))?;
    http::exchange(target, http, stream).await
}

/// A `Host` header may have a port (RFC 9110, 7.2).
fn without_port(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match host.rsplit_once(':') {
        Some((name, port))
            if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => host,
    }
}

fn refused(error: &io::Error) -> Verdict {
    let tls = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let Some(tls) = tls else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Verdict::Failed("the connection was closed before TLS was agreed on".to_owned())
            }
            _ => told(error),
        };
    };
    Verdict::Failed(match tls {
        rustls::Error::InvalidCertificate(why) => {
            format!("the certificate is not valid: {}", certificate(why))
        }
        other => format!("TLS: {other}"),
    })
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "for another name".to_owned()
        }
        CertificateError::UnknownIssuer => "nobody trusted has signed it".to_owned(),
        CertificateError::Revoked => "revoked".to_owned(),
        other => other.to_string(),
    }
}
