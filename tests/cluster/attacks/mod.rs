//! Attacks on a chat as it is run: three nodes on PostgreSQL and Redis behind nginx. Each is tried at
//! both doors, at nginx and at a node itself, and gets the same answer there.

mod accounts;
mod answers;
mod credentials;
mod frames;
mod limits;
mod lines;
mod origins;
mod sockets;
mod wire;

use std::net::SocketAddr;

use crate::{
    NODES,
    common::{
        page::Page,
        web::{PAGE, Web},
    },
    harness::scene::{Cluster, Setup},
    servers::nginx::{GENEROUS, Nginx},
};

/// A chat with its two doors.
struct Town {
    cluster: Cluster,
    nginx: Nginx,
}

/// A way in.
struct Door {
    /// What it is called when something is wrong there.
    name: &'static str,
    web: Web,
    address: SocketAddr,
}

impl Town {
    async fn start() -> Self {
        Self::with(&[], &[]).await
    }

    /// One whose nodes and whose nginx have these settings.
    async fn with(nodes: &[(&str, &str)], nginx: &[(&str, &str)]) -> Self {
        let mut setup = Setup::of(NODES);
        for (name, value) in nodes {
            setup = setup.with(name, value);
        }
        let cluster = setup.start().await;
        let nginx = Nginx::start(&cluster.addresses(), &[&GENEROUS, nginx].concat());
        Self { cluster, nginx }
    }

    fn doors(&self) -> [Door; 2] {
        let door = |name, address| Door { name, web: Web::anew(address), address };
        [
            door("node", self.cluster.nodes[0].address()),
            door("nginx", self.nginx.address),
        ]
    }
}

impl Door {
    /// A page of the predecessor.
    async fn page(&self, name: &str) -> Page {
        Page::connect(self.address, PAGE, &self.web.sign_in(name).await)
            .await
            .expect("the socket opens")
    }
}
