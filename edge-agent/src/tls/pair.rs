//! One certificate with its key, read from files.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::CertificateFiles;

/// The largest file that is read; chosen, because a chain is some kilobytes.
const MAX_FILE: u64 = 1 << 20;
/// The most certificates of a chain; chosen, because chains are of three or four.
const MAX_CHAIN: usize = 16;

/// Why a pair cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PairError {
    #[error("`{}` cannot be read: {}", .0.display(), .1)]
    Read(PathBuf, #[source] io::Error),
    #[error("`{}` is larger than 1 MiB", .0.display())]
    TooLarge(PathBuf),
    #[error("`{}` holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    #[error("`{}` holds more than {MAX_CHAIN} certificates", .0.display())]
    TooMany(PathBuf),
    #[error("the certificate in `{}` cannot be understood: {}", .0.display(), .1)]
    Certificate(PathBuf, String),
    #[error("`{}` holds no private key in PEM form", .0.display())]
    NoKey(PathBuf),
    #[error("the key in `{}` cannot be used with the certificate in `{}`: {}", .0.display(), .1.display(), .2)]
    Key(PathBuf, PathBuf, String),
}

/// A certificate with its key. Neither is ever printed.
pub(super) struct Pair {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl Pair {
    pub(super) fn read(files: &CertificateFiles) -> Result<Self, PairError> {
        let (chain_file, key_file) = (&files.chain, &files.key);
        let text = read(chain_file)?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .take(MAX_CHAIN + 1)
            .collect::<Result<_, _>>()
            .map_err(|error| PairError::Certificate(chain_file.clone(), error.to_string()))?;
        if chain.len() > MAX_CHAIN {
            return Err(PairError::TooMany(chain_file.clone()));
        }
        let Some(end) = chain.first() else {
            return Err(PairError::NoCertificate(chain_file.clone()));
        };
        let parsed = EndEntityCert::try_from(end)
            .map_err(|error| PairError::Certificate(chain_file.clone(), error.to_string()))?;
        let names = parsed
            .valid_dns_names()
            .map(str::to_ascii_lowercase)
            .collect();
        // What the error would say could hold a piece of the key.
        let key = PrivateKeyDer::from_pem_slice(&read(key_file)?)
            .map_err(|_| PairError::NoKey(key_file.clone()))?;
        let provider = rustls::crypto::ring::default_provider();
        let key = CertifiedKey::from_der(chain, key, &provider).map_err(|error| {
            PairError::Key(key_file.clone(), chain_file.clone(), error.to_string())
        })?;
        Ok(Self {
            key: Arc::new(key),
            names,
        })
    }

    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// The names that it is for, in small letters.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The certificate itself.
    pub(super) fn end(&self) -> &[u8] {
        self.key.cert.first().map_or(&[], |end| end.as_ref())
    }
}

fn read(file: &Path) -> Result<Vec<u8>, PairError> {
    let fail = |error| PairError::Read(file.to_owned(), error);
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(fail)?;
    opened
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(PairError::TooLarge(file.to_owned()));
    }
    Ok(bytes)
}

/// By what a change of files is noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp([Option<Look>; 2]);

/// Which file it is, how long, and when it was written.
type Look = (u64, u64, u64, i64, i64);

impl Stamp {
    pub(super) fn of(files: &CertificateFiles) -> Self {
        let look = |file: &Path| {
            let of = |meta: Metadata| {
                let (written, part) = (meta.mtime(), meta.mtime_nsec());
                (meta.dev(), meta.ino(), meta.len(), written, part)
            };
            std::fs::metadata(file).ok().map(of)
        };
        Self([look(&files.chain), look(&files.key)])
    }
}
