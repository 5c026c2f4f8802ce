//! What operators take out of a running node: a room as text, the whole as a copy, and the copy put back.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    task::JoinSet,
    time::timeout,
};

use crate::{
    common::{
        Client, LIMIT,
        program::{JWT_SECRET, Program, built, command, run},
        web::Web,
    },
    servers::postgres::Postgres,
};

/// More than a page of an export, and one that is not full.
const MANY: u64 = 1_234;

/// Says so many things in the lobby, the first of them known.
async fn talk(web: &Web, token: &str, from: u64, to: u64) {
    let mut client = web.guest(token).await;
    for n in from..=to {
        let text = format!("message {n}, \"quoted\"\nand <so> {}on", "on and ".repeat(20));
        client.say("lobby", &format!("m{n}"), &text).await;
        if n % 100 == 0 {
            client.until_seq("lobby", n).await;
        }
    }
    client.until_seq("lobby", to).await;
}

async fn export(dir: &Path, settings: &[(&str, &str)], args: &[&str]) -> Vec<Value> {
    let args: Vec<_> = ["export"].iter().chain(args).copied().collect();
    let output = run(dir, settings, &args, "").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn refused(dir: &Path, settings: &[(&str, &str)], args: &[&str]) -> String {
    let output = run(dir, settings, args, "").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// All that an export must be, beside a node that has this data.
async fn is_exported(dir: &Path, settings: &[(&str, &str)], web: &Web, token: &str) {
    let lines = export(dir, settings, &["lobby"]).await;
    let head =
        json!({ "format": "chorus.export", "version": 1, "room": "lobby", "firstSeq": 1, "lastSeq": MANY });
    assert_eq!(lines[0], head);
    let history = web.get("/rooms/lobby/messages?after=700&limit=200", token).await.body;
    let shown = history["messages"].as_array().unwrap();
    assert_eq!(&lines[701..=900], &shown[..], "as the history has them");
    let numbers: Vec<_> = lines[1..].iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=MANY).collect::<Vec<_>>(), "no hole, to the end");

    let moment = |at: usize| lines[at]["timestamp"].as_str().unwrap().to_owned();
    let part = export(dir, settings, &["lobby", "--since", &moment(500), "--until", &moment(1_000)]).await;
    let wanted: Vec<_> = lines[1..]
        .iter()
        .filter(|line| {
            let said = line["timestamp"].as_str().unwrap();
            (moment(500).as_str()..moment(1_000).as_str()).contains(&said)
        })
        .collect();
    assert!(wanted.len() > 1, "they were not said in one moment");
    assert_eq!(part[1..].iter().collect::<Vec<_>>(), wanted);
    assert_eq!(
        (&part[0]["firstSeq"], &part[0]["lastSeq"]),
        (&wanted[0]["seq"], &wanted[wanted.len() - 1]["seq"])
    );

    let none = export(dir, settings, &["lobby", "--until", "2000-01-01"]).await;
    let head = json!({ "format": "chorus.export", "version": 1, "room": "lobby", "firstSeq": null, "lastSeq": null });
    assert_eq!(none, [head]);
    assert_eq!(
        refused(dir, settings, &["export", "nowhere"]).await,
        "chorus: There is no room of this name.\n"
    );
    let misused = run(dir, settings, &["export", "lobby", "--since", "yesterday"], "").await;
    assert_eq!(misused.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_exported_beside_a_node_on_its_embedded_database_and_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("MESSAGE_LIMIT", "10000")];
    let why = refused(dir.path(), &settings, &["export", "lobby"]).await;
    assert!(why.starts_with("chorus: there is no database in"), "{why}");
    assert!(!dir.path().join("chorus.db").exists(), "and none is made");

    let (program, address, _) = Program::start(dir.path(), &settings).await;
    let web = Web::of(address);
    let token = web.sign_in("alice").await;
    talk(&web, &token, 1, MANY).await;
    is_exported(dir.path(), &settings, &web, &token).await;
    // A reader that ends leaves the node its files.
    talk(&web, &token, MANY + 1, MANY + 1).await;
    program.kill().await;
    assert_eq!(export(dir.path(), &settings, &["lobby"]).await.len() as u64, 1 + MANY + 1);
    let data = Connection::open(dir.path().join("chorus.db")).unwrap();
    data.execute("DELETE FROM messages WHERE seq <= 1200", []).unwrap();
    let lines = export(dir.path(), &settings, &["lobby"]).await;
    assert_eq!(
        (&lines[0]["firstSeq"], &lines[1]["seq"]),
        (&json!(1_201), &json!(1_201)),
        "what is kept"
    );
}

/// The server dies in the midst of an export and comes back: nothing is missing, and nothing comes twice.
async fn outlasts_its_server(server: &Postgres, dir: &Path, settings: &[(&str, &str)]) {
    let mut exporting = command(built(), dir, settings).args(["export", "lobby"]).spawn().unwrap();
    let mut lines = BufReader::new(exporting.stdout.take().unwrap()).lines();
    let mut said = BufReader::new(exporting.stderr.take().unwrap()).lines();
    let mut printed = vec![lines.next_line().await.unwrap().unwrap()];
    // What is left of the first page is more than a pipe takes: the next one was not asked for yet.
    server.kill();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            printed.push(line);
        }
    };
    let mending = async {
        let told = said.next_line().await.unwrap().expect("it says that it tries again");
        assert!(
            told.starts_with("chorus: the database is unavailable") && told.contains("again"),
            "{told}"
        );
        server.restart();
    };
    timeout(LIMIT, async { tokio::join!(reading, mending) }).await.expect("it ends in time");
    assert!(exporting.wait().await.unwrap().success());
    assert_eq!(said.next_line().await.unwrap(), None, "that was all the trouble");
    let printed: Vec<Value> = printed.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(printed, export(dir, settings, &["lobby"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_exported_beside_nodes_on_postgresql() {
    let server = Postgres::start();
    let url = server.url(&server.create_database(None));
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("JWT_SECRET", JWT_SECRET),
        ("MESSAGE_LIMIT", "10000"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let why = refused(dir.path(), &settings, &["export", "lobby"]).await;
    assert!(why.contains("run `chorus migrate`"), "{why}");
    let (_program, address, _) = Program::start(dir.path(), &settings).await;
    let web = Web::of(address);
    let token = web.sign_in("alice").await;
    talk(&web, &token, 1, MANY).await;
    is_exported(dir.path(), &settings, &web, &token).await;
    let copied = refused(dir.path(), &settings, &["backup", "copy.db"]).await;
    assert!(copied.contains("pg_dump"), "{copied}");
    outlasts_its_server(&server, dir.path(), &settings).await;
    server.kill();
    let why = refused(dir.path(), &settings, &["export", "lobby"]).await;
    assert!(why.starts_with("chorus: ") && why.lines().count() == 1, "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_node_is_put_back_and_clients_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copies");
    fs::create_dir(&copy).unwrap();
    let file = copy.join("chorus.backup");
    let settings = [("MESSAGE_LIMIT", "10000")];
    let (program, address, _) = Program::start(dir.path(), &settings).await;
    let web = Web::of(address);
    let before = web.sign_in("alice").await;
    talk(&web, &before, 1, 300).await;

    // Somebody talks all the while.
    let mut chatting = JoinSet::new();
    let (there, bob) = (web.clone(), web.sign_in("bob").await);
    chatting.spawn(async move {
        let mut bob = there.guest(&bob).await;
        for n in 0..500 {
            bob.say_acked("lobby", &format!("b{n}"), "meanwhile").await;
        }
    });
    let output = run(dir.path(), &settings, &["backup", file.to_str().unwrap()], "").await;
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("jwt_secret"), "{output:?}");
    chatting.join_all().await;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let held = fs::read(&file).unwrap();
    let again = refused(dir.path(), &settings, &["backup", file.to_str().unwrap()]).await;
    assert!(again.contains("exists"), "{again}");
    assert!(fs::read(&file).unwrap() == held, "it is left as it was");
    let names: Vec<_> = fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["chorus.backup"], "nothing half-made is left");

    let after = web.login("alice").await;
    let mut alice = web.guest(&after).await;
    alice.say_acked("lobby", "lost", "after the backup").await;
    alice.until_seq("lobby", 801).await;
    let remembered = alice.into_seen("lobby");
    program.terminate().await;
    assert_eq!(program.ended().await.0, Some(0));
    is_restored(dir.path(), &file, (&before, &after), remembered).await;
}

/// The copy in another folder, with the secret, is the chat as it was.
async fn is_restored(from: &Path, file: &Path, (before, after): (&str, &str), seen: Vec<(u64, String)>) {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(file, dir.path().join("chorus.db")).unwrap();
    fs::copy(from.join("jwt_secret"), dir.path().join("jwt_secret")).unwrap();
    let (_program, address, _) = Program::start(dir.path(), &[]).await;
    let web = Web::of(address);
    assert_eq!(web.get("/me", before).await.status, 200, "who was signed in then is");
    assert_eq!(web.get("/me", after).await.status, 401, "who signed in later is not");
    let kept = web.get("/rooms/lobby", before).await.body["lastSeq"].as_u64().unwrap();
    assert!((300..801).contains(&kept), "{kept}");
    let mut alice = Client::open(address, before).await;
    let joined = alice.resume("lobby", seen).await;
    assert_eq!(
        (&joined["recovered"], &joined["reason"]),
        (&json!(false), &json!("log_changed"))
    );
    let next = alice.say_acked("lobby", "new", "hello again").await;
    assert_eq!(next["seq"], kept + 1);
}
