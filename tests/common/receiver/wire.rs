//! What a receiver reads, and whether it is signed as Standard Webhooks says.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A signature is not older than this, in seconds.
const FRESH: u64 = 300;

/// Its first line, its headers, its body.
type Request = (String, BTreeMap<String, String>, Vec<u8>);

/// Reads one; `None` when there is no more.
pub(super) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().lines();
    let line = lines.next().unwrap().to_owned();
    let headers: BTreeMap<String, String> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await?;
    Ok(Some((line, headers, body)))
}

/// Whether one of the signatures is by this secret, and of now.
pub(super) fn check(headers: &BTreeMap<String, String>, body: &[u8], secret: &str) -> Result<(), String> {
    let (id, time) = (&headers["webhook-id"], &headers["webhook-timestamp"]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    if now.abs_diff(time.parse().unwrap()) >= FRESH {
        return Err(format!("of {time}, at {now}"));
    }
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = [format!("{id}.{time}.").as_bytes(), body].concat();
    let expected = format!("v1,{}", STANDARD.encode(hmac(&key, &signed)));
    let signatures = &headers["webhook-signature"];
    if signatures.split(' ').any(|one| one == expected) {
        Ok(())
    } else {
        Err(format!("{signatures} is not {expected}"))
    }
}

/// HMAC-SHA256 as RFC 2104 has it, of a key that is no longer than a block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::digest([&pad(0x36)[..], text].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).to_vec()
}
