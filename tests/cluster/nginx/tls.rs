//! nginx that speaks TLS, with a certificate of an authority made for it; asked by `openssl s_client`.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use super::scene::Scene;
use crate::{
    common::{
        raw_socket::{masked, upgrade},
        web::Web,
        wire::{exchange, status},
    },
    servers::{CERTIFY, nginx::Nginx, output_of},
};

/// Makes key and certificate in a folder.
fn certify(folder: &Path) {
    for command in CERTIFY {
        output_of(Command::new("sh").args(["-c", command]).current_dir(folder));
    }
}

/// Sends these bytes by TLS and reads until the other side closes; the certificate must be one of this folder's authority.
fn by_tls(nginx: &Nginx, folder: &Path, bytes: &[u8]) -> String {
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
        ])
        .args(["-CAfile", "ca.crt", "-servername", "localhost", "-connect"])
        .arg(nginx.address.to_string())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut hold = client.stdin.take().unwrap();
    hold.write_all(bytes).unwrap();
    let output = client.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_browsers_are_told_to_stay_there_and_sockets_open() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (file("server.crt"), file("server.key"));
    let scene = Scene::of(1, &[("TLS_CERTIFICATE", &certificate), ("TLS_KEY", &key)]).await;
    let ask = |bytes: &[u8]| by_tls(&scene.nginx, folder.path(), bytes).to_lowercase();

    for (path, expected) in [("/", "200"), ("/health", "200"), ("/metrics", "404")] {
        let answer = ask(get(path).as_bytes());
        assert!(answer.starts_with(&format!("http/1.1 {expected}")), "{path}: {answer}");
        assert!(
            answer.contains("\r\nstrict-transport-security: max-age=31536000"),
            "{path}: {answer}"
        );
    }
    let answer = ask(get("/health").as_bytes());
    assert!(
        answer.contains("set-cookie: chorus_node=") && answer.contains("; secure\r\n"),
        "{answer}"
    );

    let token = Web::of(scene.nodes[0].address).sign_in("alice").await;
    let close = masked(0x88, &1000_u16.to_be_bytes());
    for (origin, expected) in [
        ("https://x", "101"),
        ("https://y", "403"),
        ("https://x:444", "403"),
    ] {
        let headers = format!("Authorization: Bearer {token}\r\nOrigin: {origin}\r\n");
        let answer = ask(&[upgrade("/ws", &headers).as_bytes(), &close].concat());
        assert!(answer.starts_with(&format!("http/1.1 {expected}")), "{origin}: {answer}");
    }

    let plain = exchange(scene.nginx.address, get("/").as_bytes()).await;
    assert_eq!(status(&plain), "400", "{plain}");
    assert!(plain.contains(r#""code":"invalid_request""#), "{plain}");
}
