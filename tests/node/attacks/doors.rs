//! Who may open a socket from where, and how many.

use crate::common::{
    Client, eventually,
    web::{PAGE, node},
};

#[tokio::test]
async fn only_a_trusted_proxy_names_the_page_s_host() {
    for (proxies, opens) in [(vec!["127.0.0.0/8".parse().unwrap()], true), (vec![], false)] {
        let (town, web) = node(|config| config.trusted_proxies.clone_from(&proxies)).await;
        let bearer = format!("Bearer {}", web.sign_in("alice").await);
        let headers = [
            ("Origin", "https://chat.example"),
            ("X-Forwarded-Host", "chat.example"),
            ("Authorization", bearer.as_str()),
        ];
        if opens {
            Client::knock(web.address, "/ws", &headers).await.unwrap();
        } else {
            assert_eq!(web.refused("/ws", &headers).await.1, "forbidden_origin");
        }
        town.stop().await;
    }
}

#[tokio::test]
async fn programs_can_be_kept_out() {
    let (town, web) = node(|config| config.require_origin = true).await;
    let bearer = format!("Bearer {}", web.sign_in("alice").await);
    assert_eq!(web.refused("/ws", &[("Authorization", &bearer)]).await.0, 403);
    Client::knock(web.address, "/ws", &[("Authorization", &bearer), ("Origin", PAGE)])
        .await
        .unwrap();
    town.stop().await;
}

#[tokio::test]
async fn one_person_has_only_so_many_sockets() {
    let (town, web) = node(|config| config.max_sockets_per_user = 2).await;
    let token = web.sign_in("alice").await;
    let bearer = format!("Bearer {token}");
    let first = web.guest(&token).await;
    let _second = web.guest(&web.login("alice").await).await;
    let (status, code, retry) = web.refused("/ws", &[("Authorization", &bearer)]).await;
    assert_eq!((status, code.as_str()), (429, "too_many_sockets"));
    assert!((1..=60).contains(&retry.parse::<u32>().unwrap()), "{retry}");
    let told = web.post("/ws-ticket", &token, serde_json::json!({})).await;
    assert_eq!(told.refusal(), (429, "too_many_sockets"));
    web.guest(&web.sign_in("bob").await).await;
    drop(first);
    eventually("the place is free", async || {
        Client::try_open(web.address, &token).await.is_ok()
    })
    .await;
    town.stop().await;
}

#[tokio::test]
async fn an_address_is_the_peers_unless_a_trusted_proxy_names_it() {
    let (town, web) = node(|config| {
        config.max_sockets_per_address = 2;
        config.trusted_proxies = vec![];
    })
    .await;
    let bearer = format!("Bearer {}", web.sign_in("alice").await);
    let knock = async |forwarded: &str| {
        let headers = [("Authorization", bearer.as_str()), ("X-Forwarded-For", forwarded)];
        Client::knock(web.address, "/ws", &headers).await
    };
    let _held = [
        knock("203.0.113.1").await.unwrap(),
        knock("203.0.113.2").await.unwrap(),
    ];
    let (status, code, _) = web
        .refused("/ws", &[("Authorization", &bearer), ("X-Forwarded-For", "203.0.113.3")])
        .await;
    assert_eq!((status, code.as_str()), (429, "too_many_sockets"));
    town.stop().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_rightmost_stranger_counts_whatever_was_forged_before() {
    let (town, web) = node(|config| config.max_sockets_per_address = 1).await;
    let bearer = format!("Bearer {}", web.sign_in("alice").await);
    let from = |forwarded: &'static str| {
        [
            ("Authorization", bearer.clone()),
            ("X-Forwarded-For", forwarded.into()),
        ]
    };
    let mut held = Vec::new();
    for client in ["203.0.113.1", "198.51.100.1, 203.0.113.2"] {
        let headers = from(client);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        held.push(Client::knock(web.address, "/ws", &headers).await.unwrap());
    }
    for again in [
        "198.51.100.2, 203.0.113.1",
        "203.0.113.2",
        "garbage, 203.0.113.2",
        // Not even ASCII: it must not hide the address beside it.
        "\u{e9}, 203.0.113.2",
        "203.0.113.1, 10.0.0.1, 203.0.113.2, 127.0.0.1",
    ] {
        let headers = from(again);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(web.refused("/ws", &headers).await.0, 429, "{again}");
    }
    town.stop().await;
}

#[tokio::test]
async fn the_token_in_the_address_can_be_forbidden() {
    let (town, web) = node(|config| config.allow_query_token = false).await;
    let token = web.sign_in("alice").await;
    assert_eq!(web.refused(&format!("/ws?token={token}"), &[]).await.0, 401);
    Client::open(web.address, &token).await;
    town.stop().await;
}
