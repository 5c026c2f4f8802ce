//! The disk beneath the embedded database is full: a small one of the test's own, filled by a file.
//! Nothing is acknowledged that is not kept, whoever talks is told, and it goes on when there is room.

#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::common::{
    Client, eventually,
    program::{Program, built, command},
    web::Web,
};

/// How soon what was refused is taken, once there is room.
const RECOVERED: Duration = Duration::from_secs(2);
/// More messages than fit.
const MOST: usize = 4_000;

/// A disk of a few megabytes, in a namespace of its own, which is all that root is needed for.
struct Disk {
    folder: tempfile::TempDir,
    /// Holds the namespace.
    holder: Child,
}

impl Disk {
    async fn of(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mount =
            format!("mount -t tmpfs -o size={size} disk \"$0\" && echo mounted && exec sleep infinity");
        let mut holder = Command::new("unshare");
        holder.args(["-rm", "sh", "-c", &mount]).arg(folder.path());
        let mut holder = holder.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut said = BufReader::new(holder.stdout.take().unwrap()).lines();
        assert_eq!(said.next_line().await.unwrap().as_deref(), Some("mounted"));
        Self { folder, holder }
    }

    /// The program, with its data there.
    fn program(&self) -> Program {
        let mut enter =
            command(Path::new("/usr/bin/nsenter"), self.folder.path(), &[("MESSAGE_LIMIT", "10000")]);
        let holder = self.holder.id().unwrap().to_string();
        enter.args(["-t", &holder, "-U", "-m", "--preserve-credentials"]).arg(built());
        Program::of(enter)
    }

    /// A file of it, as seen from here.
    fn file(&self, name: &str) -> PathBuf {
        let within = self.folder.path().strip_prefix("/").unwrap().join(name);
        Path::new("/proc").join(self.holder.id().unwrap().to_string()).join("root").join(within)
    }

    /// Until nothing fits any more.
    fn fill(&self) {
        let mut filler = File::create(self.file("filler")).unwrap();
        while filler.write_all(&[7; 512]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.file("filler")).unwrap();
    }
}

/// What a frame answers to a message of this id.
async fn answer(client: &mut Client, id: &str) -> (String, String) {
    client.say("lobby", id, &format!("text of {id}")).await;
    let frame = client.until(|frame| frame["id"] == id && frame["type"] != "message").await;
    let word = |name: &str| frame[name].as_str().unwrap_or_default().to_owned();
    (word("type"), word("code"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_acknowledges_nothing_says_so_and_recovers() {
    let disk = Disk::of("4m").await;
    let mut node = disk.program();
    let (address, _) = node.ready().await;
    let web = Web::of(address);
    let token = web.sign_in("alice").await;
    let mut alice = web.guest(&token).await;
    let mut acked = vec!["before".to_owned()];
    assert_eq!(answer(&mut alice, "before").await.0, "ack");
    disk.fill();
    let refused = loop {
        assert!(acked.len() < MOST, "it is never full");
        let id = format!("m{}", acked.len());
        match answer(&mut alice, &id).await {
            (kind, _) if kind == "ack" => acked.push(id),
            (_, code) => {
                assert_eq!(code, "unavailable", "after {} messages", acked.len());
                break id;
            }
        }
    };
    eventually("it is not ready", async || {
        let answer = web.get("/ready", "").await;
        answer.status == 503 && answer.body["causes"][0] == "database"
    })
    .await;
    assert_eq!(web.get("/health", "").await.status, 200, "it lives");
    assert_eq!(
        web.get("/rooms/lobby/messages", &token).await.status,
        200,
        "what is there can be read"
    );

    disk.make_room();
    let since = Instant::now();
    while answer(&mut alice, &refused).await.0 != "ack" {
        assert!(since.elapsed() < RECOVERED, "{:?}", since.elapsed());
    }
    println!(
        "full after {} messages; taken again {:.1?} after there was room",
        acked.len(),
        since.elapsed()
    );
    acked.push(refused);
    eventually("it is ready", async || web.get("/ready", "").await.status == 200).await;
    alice.until_seq("lobby", acked.len() as u64).await;
    node.kill().await;

    let mut node = disk.program();
    let (address, _) = node.ready().await;
    let log = super::kills::history(&Web::of(address), &token).await;
    let kept: Vec<&str> = log.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(kept, acked, "what was acknowledged, each once, and nothing else");
    node.kill().await;
}
