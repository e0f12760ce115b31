//! What is stored where: every part with its note, in the order of use.
//!
//! Pure bookkeeping, under the store's lock. The invariant: each part stands once, and the sum of
//! the bytes on disk is that of the parts said to be there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::PartName;

/// Where a part's bytes are.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In memory alone.
    Memory,
    /// On their way to the disk.
    Queued(Bytes),
    /// On disk, perhaps in memory too.
    Disk,
}

#[derive(Debug)]
struct Entry {
    note: Bytes,
    size: u64,
    place: Place,
    used: u64,
    /// Tells a part from a later one of the same name.
    mark: u64,
}

/// All parts.
#[derive(Debug, Default)]
pub(super) struct Index {
    objects: HashMap<Arc<str>, BTreeMap<u64, Entry>>,
    by_use: BTreeMap<u64, PartName>,
    tick: u64,
    bytes: u64,
    disk_bytes: u64,
}

impl Index {
    fn next(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    /// A mark for a part that is going to be entered.
    pub(super) fn mark(&mut self) -> u64 {
        self.next()
    }

    /// Enters a part under a mark, in the place of one of the same name.
    pub(super) fn enter(
        &mut self,
        name: &PartName,
        mark: u64,
        (note, size): (Bytes, u64),
        place: Place,
    ) {
        self.remove(name);
        let used = self.next();
        self.bytes += size;
        if matches!(place, Place::Disk) {
            self.disk_bytes += size;
        }
        self.by_use.insert(used, name.clone());
        let entry = Entry {
            note,
            size,
            place,
            used,
            mark,
        };
        let object = self.objects.entry(name.object.clone()).or_default();
        object.insert(name.part, entry);
    }

    fn entry(&mut self, name: &PartName) -> Option<&mut Entry> {
        self.objects.get_mut(&name.object)?.get_mut(&name.part)
    }

    /// Where a part is, and that it was used.
    pub(super) fn find(&mut self, name: &PartName) -> Option<(Place, u64)> {
        let used = self.next();
        let entry = self.entry(name)?;
        let before = std::mem::replace(&mut entry.used, used);
        let found = (entry.place.clone(), entry.mark);
        self.by_use.remove(&before);
        self.by_use.insert(used, name.clone());
        Some(found)
    }

    /// The note of a part that is there.
    pub(super) fn note(&self, name: &PartName) -> Option<Bytes> {
        let entry = self.objects.get(&name.object)?.get(&name.part)?;
        Some(entry.note.clone())
    }

    /// A part's bytes are somewhere else now; false when it is not this part any more.
    pub(super) fn moved(&mut self, name: &PartName, mark: u64, place: Place) -> bool {
        let Some(entry) = self.entry(name).filter(|entry| entry.mark == mark) else {
            return false;
        };
        let onto_disk = matches!(place, Place::Disk) && !matches!(entry.place, Place::Disk);
        entry.place = place;
        let size = entry.size;
        if onto_disk {
            self.disk_bytes += size;
        }
        true
    }

    /// Takes a part out; whether it was on disk.
    pub(super) fn remove(&mut self, name: &PartName) -> Option<bool> {
        let parts = self.objects.get_mut(&name.object)?;
        let entry = parts.remove(&name.part)?;
        if parts.is_empty() {
            self.objects.remove(&name.object);
        }
        self.by_use.remove(&entry.used);
        self.bytes -= entry.size;
        let on_disk = matches!(entry.place, Place::Disk);
        if on_disk {
            self.disk_bytes -= entry.size;
        }
        Some(on_disk)
    }

    /// Takes a part out if it is still the one of this mark.
    pub(super) fn remove_marked(&mut self, name: &PartName, mark: u64) -> bool {
        let same = self.entry(name).is_some_and(|entry| entry.mark == mark);
        same && self.remove(name).is_some()
    }

    /// Takes a part out that memory let go, unless it is elsewhere too.
    pub(super) fn forgotten(&mut self, name: &PartName, mark: u64) {
        let alone = |entry: &mut Entry| entry.mark == mark && matches!(entry.place, Place::Memory);
        if self.entry(name).is_some_and(alone) {
            self.remove(name);
        }
    }

    /// The least used part on disk, taken out, if there are more bytes there than these.
    pub(super) fn too_much(&mut self, most: u64) -> Option<PartName> {
        if self.disk_bytes <= most {
            return None;
        }
        let name = self
            .by_use
            .values()
            .find(|name| {
                let entry = self
                    .objects
                    .get(&name.object)
                    .and_then(|parts| parts.get(&name.part));
                entry.is_some_and(|entry| matches!(entry.place, Place::Disk))
            })?
            .clone();
        self.remove(&name);
        Some(name)
    }

    /// The parts of an object, with their notes.
    pub(super) fn parts(&self, object: &str) -> Vec<(u64, Bytes)> {
        let parts = self.objects.get(object).into_iter().flatten();
        parts
            .map(|(part, entry)| (*part, entry.note.clone()))
            .collect()
    }

    /// The names of all objects.
    pub(super) fn objects(&self) -> Vec<Arc<str>> {
        self.objects.keys().cloned().collect()
    }

    /// How many objects there are, and their bytes.
    pub(super) fn sums(&self) -> (u64, u64) {
        (self.objects.len() as u64, self.bytes)
    }

    /// Takes everything out.
    pub(super) fn clear(&mut self) {
        let tick = self.tick;
        *self = Self {
            tick,
            ..Self::default()
        };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn name(part: u64) -> PartName {
        PartName::new("a", part)
    }

    #[test]
    fn the_least_used_part_on_disk_goes_first() {
        let mut index = Index::default();
        for part in 0..3 {
            index.enter(&name(part), part, (Bytes::new(), 10), Place::Disk);
        }
        index.enter(&name(3), 3, (Bytes::new(), 10), Place::Memory);
        index.find(&name(0)).unwrap();
        assert_eq!(index.too_much(30), None);
        assert_eq!(index.too_much(20), Some(name(1)));
        assert_eq!(index.too_much(10), Some(name(2)));
        assert_eq!(index.too_much(0), Some(name(0)));
        assert_eq!(index.too_much(0), None);
        assert_eq!(index.sums(), (1, 10));
    }

    #[test]
    fn a_later_part_of_the_same_name_is_another() {
        let mut index = Index::default();
        let (first, second) = (index.mark(), index.mark());
        index.enter(&name(1), first, (Bytes::new(), 10), Place::Memory);
        index.enter(&name(1), second, (Bytes::new(), 20), Place::Memory);
        assert!(!index.moved(&name(1), first, Place::Disk));
        assert!(!index.remove_marked(&name(1), first));
        assert!(index.moved(&name(1), second, Place::Disk));
        index.forgotten(&name(1), second);
        assert_eq!(index.sums(), (1, 20));
        assert_eq!(index.remove(&name(1)), Some(true));
        assert_eq!(index.sums(), (0, 0));
    }
}
