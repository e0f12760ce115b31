//! The store as a whole: restarts, damage, bounds, purges, a disk that fails.

use super::*;

fn config(folder: &std::path::Path, memory: Size, disk: Size) -> StoreConfig {
    StoreConfig {
        memory,
        disk,
        folder: folder.join("store"),
    }
}

fn body(part: u64) -> Bytes {
    Bytes::from(vec![u8::try_from(part).unwrap(); 1_000])
}

async fn fill(store: &Store, object: &str, parts: u64) {
    for part in 0..parts {
        let note = Bytes::from(part.to_string());
        store.put(object, part, note, body(part)).await;
    }
    store.settle().await;
}

fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let list = |folder: &std::path::Path| -> Vec<PathBuf> {
        let listed = std::fs::read_dir(folder).into_iter().flatten();
        listed.flatten().map(|entry| entry.path()).collect()
    };
    let mut found: Vec<PathBuf> = list(&folder.join("store"))
        .iter()
        .flat_map(|epoch| list(epoch))
        .flat_map(|short| list(&short))
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_restart_keeps_what_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    for memory in [Size::Off, Size::Bytes(10_000_000)] {
        let config = config(dir.path(), memory, Size::Unlimited);
        fill(&Store::open(&config), "a", 3).await;
        let store = Store::open(&config);
        let notes: Vec<_> = store.parts("a").into_iter().map(|(_, note)| note).collect();
        assert_eq!(notes, ["0", "1", "2"]);
        for part in 0..3 {
            assert_eq!(store.get("a", part).await, Some(body(part)));
        }
        assert_eq!(store.get("a", 3).await, None);
        assert_eq!(store.get("b", 0).await, None);
        assert_eq!(store.held().faults, 0);
    }
}

#[tokio::test]
async fn a_torn_or_altered_part_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Size::Off, Size::Unlimited);
    fill(&Store::open(&config), "a", 4).await;
    let files = files(dir.path());
    assert_eq!(files.len(), 4);
    let whole = std::fs::read(&files[0]).unwrap();
    // Cut short, as by a crash in the middle of a write; changed in its body; left unfinished.
    std::fs::write(&files[0], &whole[..whole.len() / 2]).unwrap();
    let mut altered = std::fs::read(&files[1]).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    std::fs::write(&files[1], altered).unwrap();
    std::fs::rename(&files[2], files[2].with_extension("unfinished")).unwrap();
    let store = Store::open(&config);
    let left: Vec<u64> = store.parts("a").iter().map(|(part, _)| *part).collect();
    assert_eq!(left, [1, 3], "what is cut short is seen at the start");
    assert_eq!(
        store.get("a", 1).await,
        None,
        "what is altered when it is read"
    );
    assert_eq!(store.get("a", 3).await, Some(body(3)));
    assert_eq!(store.held().faults, 1);
    assert_eq!(
        self::files(dir.path()).len(),
        1,
        "damaged files are removed"
    );
}

#[tokio::test]
async fn both_tiers_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Size::Off, Size::Bytes(5_000));
    let store = Store::open(&config);
    fill(&store, "a", 20).await;
    assert!(store.held().bytes <= 5_000);
    assert!(files(dir.path()).len() <= 5);
    assert_eq!(store.get("a", 0).await, None);
    assert_eq!(store.get("a", 19).await, Some(body(19)));
    drop(store);

    let smaller = self::config(dir.path(), Size::Off, Size::Bytes(2_500));
    let store = Store::open(&smaller);
    store.settle().await;
    assert!(store.held().bytes <= 2_500);

    let memory = self::config(dir.path(), Size::Bytes(5_000), Size::Off);
    let store = Store::open(&memory);
    fill(&store, "m", 20).await;
    if let Some(memory) = &store.shared.memory {
        memory.run_pending_tasks().await;
    }
    let parts = store.parts("m");
    assert!(parts.len() <= 5, "{}", parts.len());
    for (part, _) in parts {
        assert_eq!(store.get("m", part).await, Some(body(part)));
    }
}

#[tokio::test]
async fn what_is_purged_is_gone_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Size::Bytes(1 << 20), Size::Unlimited);
    let store = Store::open(&config);
    fill(&store, "a", 2).await;
    fill(&store, "b", 2).await;
    assert_eq!(store.remove("a"), 2);
    assert_eq!(store.get("a", 0).await, None);
    assert_eq!(store.get("b", 0).await, Some(body(0)));
    assert_eq!(store.clear(), 1);
    assert_eq!(store.get("b", 0).await, None);
    fill(&store, "c", 1).await;
    drop(store);
    let store = Store::open(&config);
    assert_eq!(store.objects(), ["c".into()]);
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_leaves_memory_serving() {
    let dir = tempfile::tempdir().unwrap();
    // A file where the folder should be: nobody may write below it, whoever runs this.
    std::fs::write(dir.path().join("store"), b"").unwrap();
    let config = config(dir.path(), Size::Bytes(1 << 20), Size::Unlimited);
    let store = Store::open(&config);
    fill(&store, "a", 3).await;
    for part in 0..3 {
        assert_eq!(store.get("a", part).await, Some(body(part)));
    }
    assert_eq!(store.held().faults, 1, "one failure, then it is left alone");
    let without = StoreConfig {
        memory: Size::Off,
        ..config
    };
    let store = Store::open(&without);
    fill(&store, "a", 1).await;
    assert_eq!(store.get("a", 0).await, None);
    assert_eq!(Store::nothing().objects().len(), 0);
}

#[tokio::test]
async fn a_file_with_any_damage_is_no_part_and_harms_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Size::Off, Size::Unlimited);
    let store = Store::open(&config);
    let small = Bytes::from_static(b"some media");
    store.put("a", 0, "note".into(), small.clone()).await;
    store.put("b", 0, "note".into(), small.clone()).await;
    store.settle().await;
    drop(store);
    let of_a = |path: &PathBuf| {
        std::fs::read(path)
            .unwrap()
            .windows(3)
            .any(|w| w == b"\0\x01a")
    };
    let file = files(dir.path()).into_iter().find(of_a).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|at| whole[..at].to_vec()).collect();
    damaged.extend((0..whole.len()).map(|at| {
        let mut altered = whole.clone();
        altered[at] ^= 0x81;
        altered
    }));
    damaged.push([&whole[..], b"more"].concat());
    for bytes in damaged {
        std::fs::write(&file, &bytes).unwrap();
        let store = Store::open(&config);
        for (part, _) in store.parts("a") {
            assert_eq!(store.get("a", part).await, None, "{bytes:?}");
        }
        assert_eq!(store.get("b", 0).await.as_ref(), Some(&small));
    }
}

#[tokio::test]
async fn a_disk_that_is_full_in_the_middle_of_a_part_leaves_nothing_of_it_there() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Size::Bytes(1 << 20), Size::Unlimited);
    let store = Store::open(&config);
    fill(&store, "a", 1).await;
    let first = files(dir.path()).remove(0);
    let next = first.with_file_name(
        first
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace("-0000000000000000", "-0000000000000001"),
    );
    // What is written there finds no room, as on a full disk.
    std::os::unix::fs::symlink("/dev/full", next.with_extension("unfinished")).unwrap();
    store.put("a", 1, "1".into(), body(1)).await;
    store.settle().await;
    assert_eq!(store.held().faults, 1);
    assert_eq!(files(dir.path()), [first]);
    for part in 0..2 {
        assert_eq!(store.get("a", part).await, Some(body(part)), "from memory");
    }
    drop(store);
    let store = Store::open(&config);
    assert_eq!(store.get("a", 0).await, Some(body(0)));
    assert_eq!(store.get("a", 1).await, None);
}
