//! From which pages a socket may be opened.

use super::Town;
use crate::common::{Client, web::PAGE};

/// What is not on the list, however much it looks like it.
const BAD: [&str; 12] = [
    "http://localhost:5500.evil.test",
    "http://evil.test/http://localhost:5500",
    "http://localhost:5500@evil.test",
    "http://evil.localhost:5500",
    "http://localhost:55000",
    "http://localhost:5501",
    "http://localhost",
    "https://localhost:5500",
    "https://good.example.evil.test",
    "null",
    "*",
    "http://localhost:5500\u{e9}",
];

#[tokio::test(flavor = "multi_thread")]
async fn only_the_very_origins_of_the_list_may_connect() {
    let town = Town::start().await;
    let doors = town.doors();
    let bearer = format!("Bearer {}", doors[0].web.sign_in("alice").await);
    for door in &doors {
        let own = format!("http://{}", door.address);
        for good in [PAGE, "http://127.0.0.1:5500", &own] {
            let headers = [("Origin", good), ("Authorization", bearer.as_str())];
            Client::knock(door.address, "/ws", &headers).await.unwrap();
        }
        Client::knock(door.address, "/ws", &[("Authorization", &bearer)]).await.unwrap();
        let other_port = format!("http://{}:1", door.address.ip());
        let other_door = doors.iter().find(|other| other.name != door.name).unwrap();
        let other_door = format!("http://{}", other_door.address);
        for bad in BAD.iter().copied().chain(["", &other_port, &other_door]) {
            let headers = [("Origin", bad), ("Authorization", bearer.as_str())];
            let (status, code, _) = door.web.refused("/ws", &headers).await;
            assert_eq!((status, code.as_str()), (403, "forbidden_origin"), "{}: {bad:?}", door.name);
        }
        let forged = [
            ("Origin", "http://evil.test"),
            ("X-Forwarded-Host", "evil.test"),
            ("Authorization", bearer.as_str()),
        ];
        if door.name == "nginx" {
            assert_eq!(door.web.refused("/ws", &forged).await.1, "forbidden_origin");
        }
    }
}
