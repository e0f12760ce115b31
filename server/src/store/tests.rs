//! The database as a whole: migrations on filled tables, killed writes, who may read the file.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use contract::client::Group;
use contract::id::{AuditId, GroupId};

use super::audit::{Entry, Filter};
use super::generations::Generation;
use super::record::{changed_since, put};
use super::*;

/// One row in every table of the first migration, written as that program wrote them.
const FILLED: &str = "
    INSERT INTO users VALUES ('user_00000000000000000000000001', 'Ada', 'ada', 'administrator', '$argon2id$x', 1000);
    INSERT INTO logins VALUES ('k1', 'login_00000000000000000000000001',
        'user_00000000000000000000000001', '192.0.2.1', 'curl', 1000, 1000, 9000);
    INSERT INTO setup_links VALUES ('k2', 9000);
    INSERT INTO api_tokens VALUES ('k3', 'token_00000000000000000000000001', 'ci', 'auditor', 1000, NULL, NULL);
    INSERT INTO generations VALUES (1, 'ada', 'create tokens ci', 1000);
    INSERT INTO audit VALUES ('audit_00000000000000000000000001', 1000, 'user', NULL, 'ada', NULL, NULL,
        'create', 'tokens', 'token_00000000000000000000000001', 'ci', NULL, '{\"name\":\"ci\"}', 1);
";

#[tokio::test]
async fn migrations_keep_what_a_filled_database_holds_and_a_copy_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    make_private(&path).unwrap();
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .foreign_keys(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    MIGRATIONS.run_to(1, &pool).await.unwrap();
    sqlx::raw_sql(FILLED).execute(&pool).await.unwrap();
    pool.close().await;

    let store = Store::open(&path).await.unwrap();
    let mut conn = store.read().await.unwrap();
    let users = users::list(&mut conn, "", 10).await.unwrap();
    assert_eq!(users[0].name.as_str(), "Ada");
    let login = logins::by_key(&mut conn, "k1", 5000)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(login.user_id, users[0].id);
    assert!(
        logins::setup_link_opens(&mut conn, "k2", 5000)
            .await
            .unwrap()
    );
    assert_eq!(
        tokens::list(&mut conn, "", 10).await.unwrap()[0]
            .name
            .as_str(),
        "ci"
    );
    let entries = audit::list(&mut conn, &Filter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(entries[0].after.as_ref().unwrap()["name"], "ci");
    assert_eq!(generations::newest(&mut conn).await.unwrap(), 1);
    let faults: Vec<(String,)> = sqlx::query_as("SELECT \"table\" FROM pragma_foreign_key_check")
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    assert_eq!(faults, []);
    assert!(dir.path().join("weir.db.before-2").exists());
    drop(conn);
    store.close().await;

    // Opened again there is nothing to migrate, and nothing is copied.
    Store::open(&path).await.unwrap().close().await;
    assert!(!dir.path().join("weir.db.before-3").exists());
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("weir.db")).await.unwrap();
    let mut conn = store.read().await.unwrap();
    let write = sqlx::query("DELETE FROM users").execute(&mut *conn).await;
    assert!(write.unwrap_err().to_string().contains("readonly"));
}

#[tokio::test]
async fn a_change_that_is_dropped_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("weir.db")).await.unwrap();
    let mut tx = store.write().await.unwrap();
    change(&mut tx, 1).await;
    drop(tx);
    assert_eq!(
        generations::newest(&mut store.read().await.unwrap())
            .await
            .unwrap(),
        0
    );
    store.write().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("weir.db")).await.unwrap();
    let mut tx = store.write().await.unwrap();
    change(&mut tx, 1).await;
    tx.commit().await.unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

/// What every change is made of: a row, an audit entry, a generation.
async fn change(conn: &mut sqlx::SqliteConnection, number: u64) {
    let name = format!("group {number}");
    let group = Group {
        id: GroupId::from_bits(u128::from(number)),
        name: name.parse().unwrap(),
    };
    put(&mut *conn, &group, number).await.unwrap();
    let generation = Generation {
        number,
        author: "test".to_owned(),
        comment: name.clone(),
        created_ms: number,
    };
    generations::insert(&mut *conn, &generation).await.unwrap();
    let entry = Entry {
        id: AuditId::new(),
        at_ms: number,
        actor_kind: "server".to_owned(),
        actor_id: None,
        actor_name: "test".to_owned(),
        address: None,
        request_id: None,
        verb: "create".to_owned(),
        noun: "groups".to_owned(),
        subject_id: group.id.to_string(),
        subject_name: name,
        before: None,
        after: None,
        generation: Some(number),
    };
    audit::insert(conn, &entry).await.unwrap();
}

/// The environment variable that makes this test's own program the writer that is killed.
const WRITER: &str = "WEIR_TEST_WRITER";
const CHANGES: u64 = 40;

#[tokio::test]
async fn a_killed_write_leaves_whole_changes_and_every_one_that_was_answered() {
    if let Ok(path) = std::env::var(WRITER) {
        return write_until_killed(Path::new(&path)).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    Store::open(&path).await.unwrap().close().await;
    let answered = kill_a_writer(&path);
    assert!(answered >= CHANGES, "{answered}");

    let store = Store::open(&path).await.unwrap();
    let mut conn = store.read().await.unwrap();
    let newest = generations::newest(&mut conn).await.unwrap();
    assert!(
        newest >= answered,
        "{newest} is kept, {answered} was answered"
    );
    let groups = changed_since::<Group>(&mut conn, 0).await.unwrap();
    let (entries,): (i64,) = sqlx::query_as("SELECT count(DISTINCT generation) FROM audit")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(
        (groups.len() as u64, entries.unsigned_abs()),
        (newest, newest)
    );
    let (sound,): (String,) = sqlx::query_as("PRAGMA integrity_check")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(sound, "ok");
}

/// Runs this very test as the writer, kills it in mid-work, and gives the last change it answered.
fn kill_a_writer(path: &Path) -> u64 {
    let test = "a_killed_write_leaves_whole_changes_and_every_one_that_was_answered";
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("store::tests::{test}"), "--nocapture"])
        .env(WRITER, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut answered = 0;
    for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(number) = line.trim().strip_prefix("answered ") {
            answered = number.parse().unwrap();
        }
        if answered == CHANGES {
            writer.kill().unwrap();
        }
    }
    writer.wait().unwrap();
    answered
}

/// Makes changes until it is killed, and says after each that it is kept.
async fn write_until_killed(path: &Path) {
    let store = Store::open(path).await.unwrap();
    for number in 1..=CHANGES * 100 {
        let mut tx = store.write().await.unwrap();
        change(&mut tx, number).await;
        tx.commit().await.unwrap();
        println!("\nanswered {number}");
    }
}
