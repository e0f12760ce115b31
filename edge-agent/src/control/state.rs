//! How the link stands, as the report, the status address and the metrics ask for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::order::OrderReceipt;
use contract::report::SettingsState;

/// The most receipts that wait for a report; chosen, because orders come by ones.
const MAX_RECEIPTS: usize = 10_000;

/// How the link stands; clones are the same state.
#[derive(Debug, Clone, Default)]
pub struct LinkState {
    shared: Arc<Mutex<Standing>>,
}

/// How the link stands at a moment.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// How the settings stand.
    pub settings: SettingsState,
    /// The generation of the directory.
    pub directory: u64,
    /// The last order that was carried out.
    pub order: u64,
    /// When the server last answered, in Unix milliseconds; 0 for never.
    pub heard_ms: u64,
    /// Whether the last call was answered.
    pub connected: bool,
    /// The server's clock minus ours, in milliseconds.
    pub clock_offset_ms: i64,
    /// The server does not know this edge any more.
    pub expelled: bool,
    /// The server has been silent for longer than the grace.
    pub grace_is_over: bool,
    receipts: Vec<OrderReceipt>,
}

impl LinkState {
    pub(super) fn lock(&self) -> MutexGuard<'_, Standing> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands now.
    #[must_use]
    pub fn now(&self) -> Standing {
        self.lock().clone()
    }

    pub(super) fn done(&self, receipt: OrderReceipt) {
        let mut standing = self.lock();
        standing.order = standing.order.max(receipt.number);
        if standing.receipts.len() < MAX_RECEIPTS {
            standing.receipts.push(receipt);
        }
    }

    pub(super) fn take_receipts(&self) -> Vec<OrderReceipt> {
        std::mem::take(&mut self.lock().receipts)
    }

    /// Receipts of a report that the server did not take.
    pub(super) fn give_back(&self, receipts: Vec<OrderReceipt>) {
        let mut standing = self.lock();
        let later = std::mem::replace(&mut standing.receipts, receipts);
        standing.receipts.extend(later);
        standing.receipts.truncate(MAX_RECEIPTS);
    }
}
