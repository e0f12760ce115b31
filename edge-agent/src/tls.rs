//! This edge's own certificates: read from files, chosen by the name that a client asks for, read
//! again when the files change.
//!
//! Files go in, a configuration for `rustls` and faults come out. The invariants: a pair that
//! cannot be used never takes the place of one that can; connections that stand keep what they
//! began with; whoever serves TLS asks here and holds no certificate itself.

mod names;
mod pair;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use contract::fault::FieldFault;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::stop::Stop;
use names::Names;
use pair::{Pair, Stamp};

/// How often the files are looked at. Chosen, because a new pair is used when it looked the same
/// twice, and so within some seconds.
const EVERY: Duration = Duration::from_secs(2);

/// Where one certificate stands: its chain and its key, which may be the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those between it and the authority, as PEM.
    pub chain: PathBuf,
    /// Its key, as PEM.
    pub key: PathBuf,
}

/// The certificates of this edge; clones are the same.
#[derive(Debug, Clone)]
pub struct Certificates {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slots: Mutex<Vec<Slot>>,
    names: RwLock<Arc<Names>>,
    faults: watch::Sender<Vec<FieldFault>>,
    asked: Notify,
}

/// One certificate: what is in use, and what was seen of its files.
#[derive(Debug)]
struct Slot {
    files: CertificateFiles,
    pair: Option<Pair>,
    /// The files as they were read last.
    read: Option<Stamp>,
    /// The files as they were looked at last.
    seen: Option<Stamp>,
    fault: Option<FieldFault>,
}

impl Certificates {
    /// Reads the files. What cannot be used is a fault; the first that can stands for all names
    /// that no other has.
    #[must_use]
    pub fn open(files: Vec<CertificateFiles>) -> Self {
        let slot = |files| Slot {
            files,
            pair: None,
            read: None,
            seen: None,
            fault: None,
        };
        let certificates = Self {
            shared: Arc::new(Shared {
                slots: Mutex::new(files.into_iter().map(slot).collect()),
                names: RwLock::default(),
                faults: watch::Sender::default(),
                asked: Notify::new(),
            }),
        };
        certificates.look(Look::Read);
        certificates
    }

    /// How to serve TLS with them: versions 1.2 and 1.3, and these protocols inside.
    ///
    /// # Panics
    /// Never: ring knows both versions.
    #[must_use]
    pub fn server_config(&self, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    /// What is wrong with them, and each change of that.
    #[must_use]
    pub fn faults(&self) -> watch::Receiver<Vec<FieldFault>> {
        self.shared.faults.subscribe()
    }

    /// Reads all files again, soon.
    pub fn reload(&self) {
        self.shared.asked.notify_one();
    }

    /// Looks after the files until the stop begins.
    pub async fn keep_fresh(self, stop: Stop) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = tokio::select! {
                _ = ticks.tick() => Look::Glance,
                () = self.shared.asked.notified() => Look::Read,
                () = stop.begun() => return,
            };
            let this = self.clone();
            let looked = tokio::task::spawn_blocking(move || this.look(look)).await;
            if let Err(error) = looked {
                tracing::error!(%error, "certificates could not be looked at");
            }
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        let slots = &self.shared.slots;
        slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, look: Look) {
        let mut slots = self.slots();
        let mut changed = false;
        for slot in slots.iter_mut() {
            if slot.is_due(look) {
                slot.read();
                changed = true;
            }
        }
        if !changed {
            return;
        }
        let names = Names::of(slots.iter().filter_map(|slot| slot.pair.as_ref()));
        *self
            .shared
            .names
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
        let faults = slots.iter().filter_map(|slot| slot.fault.clone()).collect();
        self.shared.faults.send_replace(faults);
    }
}

/// How closely the files are looked at.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// Those that changed, once they stay as they are.
    Glance,
    /// All.
    Read,
}

impl Slot {
    fn is_due(&mut self, look: Look) -> bool {
        let stamp = Stamp::of(&self.files);
        let settled = self.seen.as_ref() == Some(&stamp);
        let differs = self.read.as_ref() != Some(&stamp);
        self.seen = Some(stamp);
        match look {
            Look::Glance => settled && differs,
            Look::Read => true,
        }
    }

    fn read(&mut self) {
        self.read.clone_from(&self.seen);
        match Pair::read(&self.files) {
            Ok(pair) => {
                if self.pair.as_ref().map(Pair::end) != Some(pair.end()) {
                    tracing::info!(
                        certificate.file = %self.files.chain.display(),
                        certificate.names = pair.names().join(" "),
                        "certificate in use"
                    );
                }
                self.pair = Some(pair);
                self.fault = None;
            }
            Err(error) => {
                let kept = self.pair.as_ref().map(|pair| pair.names().join(" "));
                let kept = kept.map_or_else(
                    || "no certificate is used in its place".to_owned(),
                    |names| format!("the one before is still used for `{names}`"),
                );
                let fault = FieldFault::new("certificates", format!("{error}; {kept}"));
                if self.fault.as_ref() != Some(&fault) {
                    tracing::error!(
                        certificate.file = %self.files.chain.display(),
                        fault = %fault.message,
                        "certificate cannot be used"
                    );
                }
                self.fault = Some(fault);
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let names = &self.shared.names;
        let names = names.read().unwrap_or_else(PoisonError::into_inner).clone();
        names.choose(hello.server_name())
    }
}
