//! Settings with which the program must not start, and what it must never say.

use std::path::Path;

use serde_json::json;

use crate::{
    common::{
        Client, PASSWORD,
        program::{Program, run},
        web::{PAGE, Web, session_cookie},
    },
    servers::{postgres::Postgres, redis::Redis},
};

const GOOD: &str = "a secret of this test, long enough";
/// All that can be asked for, also of the libraries that could tell what they carry.
const LOUDEST: &str = "trace,tungstenite=trace,tokio_postgres=trace,fred=trace,hyper=trace";

async fn refuses(settings: &[(&str, &str)], named: &[&str], hidden: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(dir.path(), settings, &[], "").await;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    assert_eq!(ended.status.code(), Some(1), "{said}");
    for name in named {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    for secret in hidden {
        assert!(!said.contains(secret), "{secret} is shown: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test]
async fn settings_that_can_t_be_safe_are_refused_by_name_and_together() {
    let production = ("NODE_ENV", "production");
    let cost = ("BCRYPT_COST", "10");
    let empty: (&str, &str) = ("JWT_SECRET", "");
    refuses(&[production, cost], &["JWT_SECRET"], &[]).await;
    refuses(&[production, cost, empty], &["JWT_SECRET"], &[]).await;
    refuses(
        &[production, cost, ("JWT_SECRET", "hunter2-short")],
        &["JWT_SECRET", "32"],
        &["hunter2"],
    )
    .await;
    refuses(&[production, ("JWT_SECRET", GOOD)], &["BCRYPT_COST"], &[GOOD]).await;
    refuses(&[("JWT_SECRET", "hunter2-short")], &["JWT_SECRET"], &["hunter2"]).await;
    refuses(&[("JWT_SECRET_FILE", "/nowhere/at/all")], &["JWT_SECRET_FILE"], &[]).await;
    refuses(
        &[
            ("PORT", "99999"),
            ("MESSAGE_LIMIT", "many"),
            ("REGISTRATION", "maybe"),
            ("ALLOWED_ORIGINS", "not an origin"),
            ("TRUSTED_PROXIES", "everyone"),
            ("JWT_SECRET", "hunter2-short"),
        ],
        &[
            "PORT",
            "MESSAGE_LIMIT",
            "REGISTRATION",
            "ALLOWED_ORIGINS",
            "TRUSTED_PROXIES",
            "JWT_SECRET",
        ],
        &["hunter2"],
    )
    .await;
}

#[tokio::test]
async fn a_database_that_can_t_be_used_is_refused_by_name_and_its_password_never_shown() {
    let redis = ("REDIS_URL", "redis://:hunter2@cache");
    refuses(&[redis], &["REDIS_URL", "DATABASE_URL"], &["hunter2"]).await;
    refuses(&[("REDIS_URL", "http://:hunter2@cache")], &["REDIS_URL"], &["hunter2"]).await;
    let replica = ("DATABASE_REPLICA_URLS", "postgres://:hunter2@replica/chat");
    refuses(&[replica], &["DATABASE_REPLICA_URLS"], &["hunter2"]).await;
    for (name, value) in [
        ("DATABASE_URL", "postgres://chorus:hunter2@db/chat"),
        ("DB_PASSWORD", "hunter2"),
    ] {
        refuses(&[(name, value)], &["JWT_SECRET"], &["hunter2"]).await;
    }
    for url in [
        "mysql://u:hunter2@db/chat",
        "postgres://u:hunter2@db:port/chat",
        "postgres://u:hunter2@db/c?sslmode=x",
    ] {
        refuses(
            &[("DATABASE_URL", url), ("JWT_SECRET", GOOD)],
            &["DATABASE_URL"],
            &["hunter2", GOOD],
        )
        .await;
    }
}

/// Goes through what can become of refresh cookies, and answers their values.
async fn by_cookies(web: &Web) -> Vec<String> {
    let remember = json!({ "username": "alice", "password": PASSWORD, "remember": true });
    let mut answer = web.post("/login", "", remember).await;
    let own = format!("http://{}", web.address);
    let mut cookies = Vec::new();
    for _ in 0..3 {
        cookies.push(session_cookie(&answer));
        answer = web.by_cookie(&own, &cookies[cookies.len() - 1]).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(web.by_cookie(PAGE, &cookies[2]).await.refusal(), (403, "forbidden_origin"));
    assert_eq!(web.by_cookie(&own, &cookies[2][1..]).await.refusal(), (401, "unauthorized"));
    assert_eq!(web.by_cookie(&own, &cookies[0]).await.refusal(), (401, "session_ended"));
    assert_eq!(web.by_cookie(&own, &cookies[1]).await.refusal(), (401, "unauthorized"));
    cookies
}

/// Does with a node whatever credentials are for, at the lowest level of its lines, and looks for each
/// of them there, for what was said, for hashes of passwords, and for these.
async fn tells_no_secret(backends: &[(&str, &str)], hidden: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let own = [
        ("LOG_LEVEL", LOUDEST),
        ("JWT_SECRET", GOOD),
        ("SHUTDOWN_TIMEOUT_SECONDS", "2"),
    ];
    let (program, address, _) = Program::start(dir.path(), &[&own, backends].concat()).await;
    let web = Web::of(address);
    let token = web.sign_in("alice").await;
    let wrong = json!({ "username": "alice", "password": "a wrong guess" });
    assert_eq!(web.post("/login", "", wrong).await.status, 401);
    let garbled = web
        .request(reqwest::Method::POST, "/login", "")
        .header("Content-Type", "application/json");
    let garbled = web.ask(garbled.body(format!("{{\"password\":\"{PASSWORD}\", broken"))).await;
    assert_eq!(garbled.status, 400);
    let second = web.post("/refresh", &token, json!({})).await.body["token"].as_str().unwrap().to_owned();

    let cookies = by_cookies(&web).await;

    let mut tickets = vec![web.ticket(&token, PAGE).await, web.ticket(&token, PAGE).await];
    let path = format!("/ws?ticket={}", tickets[0]);
    let mut alice = Client::knock(address, &path, &[("Origin", PAGE)]).await.unwrap();
    assert_eq!(web.refused(&path, &[("Origin", PAGE)]).await.0, 401);
    alice.send(json!({ "type": "renew", "ticket": tickets[1] })).await;
    alice.expect("renewed").await;
    alice.join("lobby").await;
    alice.say_acked("lobby", "m1", "what was said").await;
    alice.text("not JSON with what was said").await;
    alice.expect("error").await;
    let mut seed = Client::knock(address, &format!("/?token={second}"), &[]).await.unwrap();
    seed.join("lobby").await;
    assert_eq!(web.refused(&format!("/ws?token={second}x"), &[]).await.0, 401);
    assert_eq!(web.get(&format!("/me?token={second}"), "").await.status, 401);
    assert_eq!(web.get(&format!("/nowhere?ticket={}", tickets[0]), "").await.status, 404);
    let change = json!({ "current": PASSWORD, "new": "another horse" });
    let third = web.post("/password", &token, change).await.body["token"].as_str().unwrap().to_owned();
    tickets.push(web.ticket(&third, "").await);
    assert_eq!(web.get("/debug-sentry", &third).await.status, 500);
    assert_eq!(web.post("/logout", "", json!({ "token": third })).await.status, 200);
    alice.closed().await;

    // Kept with the embedded database alone.
    let admin = std::fs::read_to_string(dir.path().join("admin_token"));
    let admin = admin.unwrap_or_else(|_| GOOD.to_owned());
    program.terminate().await;
    let (code, said) = program.ended().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.matches(" answered ").count() > 15, "it was to tell each request: {said}");
    let tokens = [&token, &second, &third];
    let signatures = tokens.iter().map(|token| token.rsplit('.').next().unwrap());
    let secrets = [
        PASSWORD,
        "a wrong guess",
        "another horse",
        GOOD,
        admin.trim(),
        "what was said",
        "$2b$",
    ];
    let secrets = secrets.iter().chain(hidden).copied();
    let shown = tickets.iter().chain(&cookies).map(String::as_str);
    let credentials: Vec<&str> = signatures.chain(shown).collect();
    for secret in secrets.chain(credentials.iter().copied()) {
        let line = said.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret:?} is in {line:?}");
    }
    let kept = files(dir.path());
    for secret in [PASSWORD, "another horse"].iter().chain(&credentials) {
        assert!(!kept.contains(secret), "{secret:?} is in the folder");
    }
    let embedded = backends.is_empty();
    assert_eq!(
        kept.contains("what was said") && kept.contains("$2b$"),
        embedded,
        "which has the log"
    );
}

/// The bytes of a folder's files: the embedded database, if there is one.
fn files(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let bytes = files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap());
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

#[tokio::test]
async fn no_line_at_any_level_carries_a_credential() {
    tells_no_secret(&[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_of_a_node_of_a_cluster() {
    let (postgres, redis) = (Postgres::start_fast(), Redis::start());
    redis.cli(&["CONFIG", "SET", "requirepass", "for-redis-alone"]);
    let database = postgres.url(&postgres.create_database(None));
    let database = database.replace("postgres@", "postgres:for-postgres-alone@");
    let carrier = redis.url().replace("redis://", "redis://:for-redis-alone@");
    let backends = [("DATABASE_URL", &*database), ("REDIS_URL", &*carrier)];
    tells_no_secret(&backends, &["for-postgres-alone", "for-redis-alone"]).await;
}
