//! `fcom-sidecar import`: files as people have them, each line once, whatever happens on the way.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::eventually::until;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, Site};
use crate::harness::snapshot::Snapshot;

pub(super) const RUNS: &str = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs";

pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The lines of the file that says what became of a list, without its headings.
    pub(super) fn result(&self, name: &str) -> Vec<Vec<String>> {
        let mut file = csv::Reader::from_path(self.path(name)).unwrap();
        let records = file.records().map(Result::unwrap);
        let texts = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
        records.map(texts).collect()
    }
}

pub(super) async fn prepare(site: &Site) -> Sidecar {
    let sidecar = Sidecar::unstarted(site, &[]).await;
    assert!(sidecar.run(&["migrate"]).success());
    sidecar
}

pub(super) fn import(sidecar: &Sidecar, arguments: &[&str]) -> (i32, Value) {
    let arguments = [&["import", "--json", "--webhook", "3"], arguments].concat();
    let (code, said, complained) = sidecar.outcome(&arguments);
    (
        code,
        serde_json::from_str(&said).unwrap_or(complained.into()),
    )
}

async fn names(site: &Site) -> Vec<Vec<Option<String>>> {
    let new = site.last_user;
    site.rows(&format!(
        "SELECT u.user_email, u.user_login, f.meta_value, l.meta_value FROM wp_users u \
         JOIN wp_usermeta f ON f.user_id = u.ID AND f.meta_key = 'first_name' \
         JOIN wp_usermeta l ON l.user_id = u.ID AND l.meta_key = 'last_name' WHERE u.ID > {new} ORDER BY u.ID"
    ))
    .await
}

#[tokio::test]
async fn files_of_spreadsheets_and_other_plugins_are_read_as_they_are() {
    let utf16: Vec<u8> = "\u{feff}E-Mail\tVorname\tNachname\r\nzoe@example.com\tZoë\tMüller\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let windows = b"Vorname;Nachname;E-Mail\r\nZo\xeb;M\xfcller; zoe@example.com \r\n;;\r\n";
    let wordpress = "user_login,user_email,display_name,role,first_name,last_name\nzoe,zoe@example.com,Z,subscriber,Zoë,Müller\n";
    let quoted = "\u{feff}\"first_name\",\"notes\",\"email\",\"last_name\"\n\"Zoë\",\"a\n\"\"b\"\", c\",\"zoe@example.com\",\"Müller\"\n";
    let json =
        "{\"email\":\"zoe@example.com\",\"first_name\":\"Zo\\u00eb\",\"last_name\":\"Müller\"}\n";
    for (name, content) in [
        ("windows.csv", &windows[..]),
        ("utf16.txt", &utf16),
        ("wordpress.csv", wordpress.as_bytes()),
        ("quoted.csv", quoted.as_bytes()),
        ("lines.jsonl", json.as_bytes()),
    ] {
        let site = Site::new("71").await;
        let sidecar = prepare(&site).await;
        let folder = Folder::new();
        let file = folder.file(name, content);
        let (code, told) = import(&sidecar, &[&file]);
        assert_eq!(
            (code, &told["summary"]["created"]),
            (0, &json!(1)),
            "{name}: {told}"
        );
        let member = ["zoe@example.com", "zoe", "Zoë", "Müller"].map(|text| Some(text.to_owned()));
        assert_eq!(names(&site).await, [member], "{name}");
        let stem = name.split('.').next().unwrap();
        let result = folder.result(&format!("{stem}.result.csv"));
        assert_eq!(result[0][2..], ["zoe", "created", ""], "{name}");
        invariants::assert_hold(&site).await;
    }
}

#[tokio::test]
async fn what_a_list_holds_is_told_first_and_wrong_lines_stop_no_other() {
    let site = Site::new("71").await;
    let sidecar = prepare(&site).await;
    let folder = Folder::new();
    let list = "Kontakt;first_name\nann@example.com;Ann\nEXISTING@example.com;Eve\n\nnobody;N\nANN@Example.com;Ann\n;Ohne\nbob@example.com;Bob\n";
    let file = folder.file("list.csv", list.as_bytes());
    let before = Snapshot::take(&site).await;
    let (code, complained) = import(&sidecar, &[&file, "--check"]);
    let complained = complained.as_str().unwrap();
    assert!(
        code == 1 && complained.contains("--map \"email=COLUMN\""),
        "{complained}"
    );
    let map = ["--map", "email=Kontakt"];
    let (code, told) = import(&sidecar, &[&[file.as_str(), "--check"], &map[..]].concat());
    assert_eq!(code, 1);
    for (what, count) in [
        ("lines", 6),
        ("new", 2),
        ("known", 1),
        ("twice", 1),
        ("refused", 2),
    ] {
        assert_eq!(told[what], count, "{what}: {told}");
    }
    let problems = told["problems"].as_array().unwrap();
    let lines: Vec<&Value> = problems.iter().map(|one| &one["line"]).collect();
    assert_eq!(lines, [5, 6, 7], "{told}");
    assert!(
        problems[1]["reason"].as_str().unwrap().contains("line 2"),
        "{told}"
    );
    assert!(before.diff(&Snapshot::take(&site).await).is_empty());
    assert!(!folder.path("list.result.csv").exists());

    let (code, told) = import(&sidecar, &[&[file.as_str()], &map[..]].concat());
    assert_eq!(code, 1);
    for (what, count) in [
        ("lines", 6),
        ("created", 2),
        ("found", 1),
        ("twice", 1),
        ("refused", 2),
    ] {
        assert_eq!(told["summary"][what], count, "{what}: {told}");
    }
    let outcomes: Vec<(String, String)> = folder
        .result("list.result.csv")
        .into_iter()
        .map(|line| (line[0].clone(), line[3].clone()))
        .collect();
    let expected = [
        ("2", "created"),
        ("3", "found"),
        ("5", "invalid_email"),
        ("6", "twice"),
        ("7", "invalid_email"),
        ("8", "created"),
    ];
    assert_eq!(
        outcomes,
        expected.map(|(line, word)| (line.to_owned(), word.to_owned()))
    );
    // Known members stay as they are, also if an earlier run is repeated; a line that was mended is carried out.
    let eve = "SELECT COUNT(*) FROM wp_usermeta WHERE user_id = 2 AND meta_value = 'Eve'";
    assert_eq!((site.number(eve).await, site.number(RUNS).await), (0, 3));
    folder.file(
        "list.csv",
        list.replace("nobody", "nobody@example.com").as_bytes(),
    );
    let (_, told) = import(&sidecar, &[&[file.as_str()], &map[..]].concat());
    assert_eq!(
        (&told["summary"]["before"], &told["summary"]["created"]),
        (&json!(3), &json!(3)),
        "{told}"
    );
    assert_eq!(site.number(RUNS).await, 4);
    let (code, said, _) = sidecar.outcome(&[
        "import",
        &file,
        "--webhook",
        "3",
        "--map",
        "email=Kontakt",
        "--check",
    ]);
    assert!(
        code == 1 && said.contains("line 6: the address stands in line 2 already"),
        "{said}"
    );
    assert!(
        said.contains("UTF-8, columns separated by semicolons: email = \"Kontakt\""),
        "{said}"
    );
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// Beside a daemon, which counts what a killed command has left. Once it goes on as on another machine, which has only the list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_killed_again_and_again_is_carried_out_once() {
    const LINES: u64 = 2000;
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let (folder, machine) = (Folder::new(), Folder::new());
    let mut list = "email,first_name\n".to_owned();
    for number in 0..LINES {
        writeln!(list, "member{number}@example.com,M{number}").unwrap();
    }
    let file = folder.file("members.csv", list.as_bytes());
    let copy = machine.file("copied.csv", list.as_bytes());
    // At the first of these places, while it reads the list for the first time.
    for (place, file) in [
        (0, &file),
        (170, &file),
        (620, &copy),
        (1250, &file),
        (1810, &file),
    ] {
        let mut command = sidecar.background(&["import", file, "--webhook", "3"]);
        until("the import does not go on", async || {
            site.number(RUNS).await >= place
        })
        .await;
        command.kill().unwrap();
        command.wait().unwrap();
    }
    let left = site.number(RUNS).await;
    assert!(left < LINES, "nothing is left to go on with");
    let (code, told) = import(&sidecar, &[&file]);
    assert_eq!(
        (code, &told["summary"]["created"]),
        (0, &json!(LINES)),
        "{told}"
    );
    assert!(told["summary"]["before"].as_u64().unwrap() >= left);
    assert_eq!(site.number(RUNS).await, LINES);
    let result = folder.result("members.result.csv");
    let users: BTreeSet<&String> = result.iter().map(|line| &line[1]).collect();
    assert_eq!((result.len() as u64, users.len() as u64), (LINES, LINES));
    assert!(result.iter().all(|line| line[3] == "created"));
    assert!(machine.result("copied.result.csv").len() < result.len());
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_the_lines_that_were_begun_and_no_others_begin() {
    let site = Site::new("71").await;
    let sidecar = prepare(&site).await;
    let folder = Folder::new();
    let mut list = "email\n".to_owned();
    for number in 0..500 {
        writeln!(list, "member{number}@example.com").unwrap();
    }
    let file = folder.file("members.csv", list.as_bytes());
    let arguments = ["import", &file, "--webhook", "3", "--rate", "20"];
    let mut command = sidecar.background(&arguments);
    until("the import does not begin", async || {
        site.number(RUNS).await > 3
    })
    .await;
    let id = command.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.unwrap().success());
    assert_eq!(command.wait().unwrap().code(), Some(1));
    let runs = site.number(RUNS).await;
    assert!(runs < 100, "{runs}");
    assert_eq!(folder.result("members.result.csv").len() as u64, runs);
    assert!(
        sidecar
            .log()
            .contains("start the command again, and it goes on")
    );
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn new_members_get_a_welcome_mail_unless_it_is_turned_off() {
    let site = Site::new("71").await;
    let sidecar = prepare(&site).await;
    let folder = Folder::new();
    let id = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{MEMBERS_HOOK}'");
    let id = site.text(&id).await.unwrap();
    let mails = "SELECT COUNT(*) FROM wp_fcom_sidecar_mail";
    for (name, more, count) in [("ann", &["--no-mail"][..], 0), ("bob", &[], 1)] {
        let list = format!("email,user_password\n{name}@example.com,Geheimnis7\n");
        let file = folder.file("list.csv", list.as_bytes());
        let arguments = [&["import", "--webhook", &id, &file], more].concat();
        let (code, said, complained) = sidecar.outcome(&arguments);
        assert_eq!(code, 0, "{said}{complained}");
        assert_eq!(site.number(mails).await, count, "{name}");
        let result = fs::read_to_string(folder.path("list.result.csv")).unwrap();
        assert!(
            !result.contains("Geheimnis7") && !said.contains("Geheimnis7"),
            "{result}"
        );
    }
    let piped = |more: &[&str]| {
        let list = fs::File::open(folder.path("list.csv")).unwrap();
        let arguments = [&["import", "-", "--webhook", "3"], more].concat();
        let output = sidecar.piped(&arguments, list);
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), complained)
    };
    let (code, complained) = piped(&[]);
    assert!(
        code == Some(2) && complained.contains("--result"),
        "{complained}"
    );
    let result = folder.path("piped.csv").display().to_string();
    let (code, complained) = piped(&["--result", &result]);
    assert_eq!(code, Some(0), "{complained}");
    assert_eq!(folder.result("piped.csv")[0][3], "found");
    let missing = folder.path("missing.csv").display().to_string();
    let (code, _, complained) = sidecar.outcome(&["import", &missing, "--webhook", "3"]);
    assert!(
        code == 1 && complained.contains("cannot open"),
        "{complained}"
    );
    let file = folder.file("list.csv", b"email\nann@example.com\n");
    site.execute(&format!(
        "UPDATE wp_fcom_meta SET value = 'x' WHERE meta_key = '{PLAIN_HOOK}'"
    ))
    .await;
    let (code, _, complained) = sidecar.outcome(&["import", &file, "--webhook", "3"]);
    assert!(
        code == 1 && complained.contains("stopped at line 2"),
        "{complained}"
    );
}

/// Of a list that is larger than what the command may occupy.
#[tokio::test]
async fn a_long_list_is_read_in_flat_memory() {
    let site = Site::new("71").await;
    let sidecar = prepare(&site).await;
    let folder = Folder::new();
    let mut list = "email,notes\n".to_owned();
    let notes = "x".repeat(2_500);
    for number in 0..30_000 {
        writeln!(list, "member{number}@example.com,\"{notes}\"").unwrap();
    }
    assert!(list.len() > 64 << 20);
    let file = folder.file("members.csv", list.as_bytes());
    let mut command = sidecar.background(&["import", &file, "--webhook", "3", "--check"]);
    let status = format!("/proc/{}/status", command.id());
    let mut most = 0;
    until("the list is not read to its end", async || {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        most = kibibytes.map_or(most, |text| text.parse::<u64>().unwrap());
        command.try_wait().unwrap().is_some()
    })
    .await;
    assert!(
        sidecar.log().contains("30000 lines: 30000 for new members"),
        "{}",
        sidecar.log()
    );
    assert!((1..64 << 10).contains(&most), "{most} KiB");
}

/// As a table of users is exported.
#[tokio::test]
async fn hashes_are_not_taken_for_passwords() {
    let (site, folder) = (Site::new("71").await, Folder::new());
    let sidecar = prepare(&site).await;
    let hashes = [
        "$P$BabcdefghKfdE7H4Uy7ajxpijsjAJW0",
        "$wp$2y$10$abcdefghijklmnopqrstuuA.NtWkdu8VmWC3ClnWUEHy4fqZrKNuK",
        "$2y$10$abcdefghijklmnopqrstuuA.NtWkdu8VmWC3ClnWUEHy4fqZrKNuK",
        "5d41402abc4b2a76b9719d911017c592",
    ];
    let mut list = "user_login,user_pass,user_email\n".to_owned();
    for (number, hash) in hashes.iter().enumerate() {
        writeln!(list, "ann{number},{hash},ann{number}@example.com").unwrap();
    }
    list.push_str("bob,$P$assword7,bob@example.com\n");
    let file = folder.file("users.csv", list.as_bytes());
    let (code, told) = import(&sidecar, &[&file, "--check"]);
    assert_eq!(
        (code, &told["new"], &told["refused"]),
        (1, &json!(1), &json!(4)),
        "{told}"
    );
    let problems = told["problems"].as_array().unwrap();
    let lines: Vec<&Value> = problems.iter().map(|one| &one["line"]).collect();
    assert_eq!(lines, [2, 3, 4, 5], "{told}");
    assert!(
        problems
            .iter()
            .all(|one| one["reason"].as_str().unwrap().contains("is a hash")),
        "{told}"
    );
    let (_, told) = import(&sidecar, &[&file]);
    assert_eq!(told["summary"]["created"], 1, "{told}");
    let result = folder.result("users.result.csv");
    assert!(result[0][3] == "invalid_request" && result[4][3] == "created");
    let result = format!("{result:?}");
    assert!(hashes.iter().all(|hash| !result.contains(hash)), "{result}");

    let (code, told) = import(&sidecar, &[&file, "--map", "user_password="]);
    assert_eq!(
        (code, &told["summary"]["created"]),
        (0, &json!(5)),
        "{told}"
    );
    // Another heading says nothing about what may as well be a password.
    let list = format!("email,password\neve@example.com,{}\n", hashes[3]);
    let file = folder.file("list.csv", list.as_bytes());
    let (code, told) = import(&sidecar, &[&file]);
    assert_eq!(
        (code, &told["summary"]["created"]),
        (0, &json!(1)),
        "{told}"
    );
}

#[tokio::test]
async fn a_list_is_carried_out_again_if_somebody_says_so() {
    let (site, folder) = (Site::new("71").await, Folder::new());
    let sidecar = prepare(&site).await;
    let list = folder.file("list.csv", b"email\nann@example.com\nbob@example.com\n");
    let (code, done) = import(&sidecar, &[&list]);
    assert_eq!((code, &done["summary"]["created"]), (0, &json!(2)));
    site.execute("DELETE FROM wp_users WHERE user_email = 'bob@example.com'")
        .await;
    let (code, done) = import(&sidecar, &[&list]);
    let summary = &done["summary"];
    assert_eq!((code, &summary["created"]), (1, &json!(1)));
    assert_eq!(
        (&summary["before"], &summary["refused"]),
        (&json!(1), &json!(1))
    );
    let result = folder.result("list.result.csv");
    assert_eq!(result[1][3], "gone");
    assert!(result[1][4].contains("--again"), "{result:?}");
    // Once for each word.
    for (word, runs, summary) in [
        ("June", 4, (1, 1, 0)),
        ("June", 4, (1, 1, 2)),
        ("July", 6, (0, 2, 0)),
    ] {
        let (code, done) = import(&sidecar, &[&list, "--again", word]);
        let done = &done["summary"];
        let counts = ["created", "found", "before"].map(|one| done[one].as_u64().unwrap());
        assert_eq!((code, counts.into()), (0, summary));
        assert_eq!(site.number(RUNS).await, runs);
    }
}

/// Where serve would refuse calls, commands do not carry any out either.
#[tokio::test]
async fn tables_that_cannot_be_written_to_safely_are_left_alone() {
    let site = Site::new("71").await;
    let sidecar = prepare(&site).await;
    let folder = Folder::new();
    let file = folder.file("list.csv", b"email\nann@example.com\n");
    site.execute("ALTER TABLE wp_users ENGINE = MyISAM").await;
    for arguments in [
        &["import", &file, "--webhook", "3"][..],
        &["refused", "retry", "--all"],
    ] {
        let (code, said, complained) = sidecar.outcome(arguments);
        assert!(
            code == 1 && complained.contains("InnoDB"),
            "{said}{complained}"
        );
    }
    assert_eq!(site.number(RUNS).await, 0);
    assert!(!folder.path("list.result.csv").exists());
}
