//! A node that is nothing but sockets, each of which answers every text with itself.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chorus::{
    domain::{SignInId, Username},
    error::Refusal,
    hub::{Member, frame},
    protocol::Dialect,
    shutdown::Tasks,
    ws::{
        self, Admitted, Card, Departure, Door, Doorkeeper, Knock, Later, LetIn, Listener, Session, Settings,
        Sockets, Step,
    },
};
use http::{Extensions, HeaderValue, Request, Response, header::SERVER, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;

/// What a node has by default.
const SETTINGS: Settings = Settings { ping: Duration::from_secs(25), outbox_bytes: 256 * 1024 };

struct Echo(Arc<Member>);

impl Session for Echo {
    fn text(self: Box<Self>, text: &str) -> Step {
        self.0.send(frame::text(text));
        Step::Next(self)
    }

    fn gone(self: Box<Self>, _: Departure) -> Later<()> {
        Box::pin(async {})
    }
}

struct Everybody;

#[async_trait]
impl Doorkeeper for Everybody {
    async fn admit(&self, _: &Parts, _: Dialect) -> Result<Admitted, Refusal> {
        Ok(Admitted {
            tag: 1,
            card: Card {
                username: Username::from_store("autobahn"),
                sid: SignInId::random(),
                address: IpAddr::from([127, 0, 0, 1]),
            },
            arrive: Box::new(|member| Step::Next(Box::new(Echo(member)))),
        })
    }
}

/// The endpoint while it runs.
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    tasks: Tasks,
    sockets: Sockets,
}

/// Starts it on a free port of loopback.
pub(crate) fn start() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Listener::new(listener).unwrap();
    let tasks = Tasks::new();
    let sockets = Sockets::start(&tasks, SETTINGS);
    let door = Door::new(sockets.clone(), Arc::new(Everybody));
    let http = door.clone();
    let service = tower::service_fn(move |request| open(http.clone(), request));
    let let_in = move |stream, knock: Knock| -> LetIn {
        let door = door.clone();
        Box::pin(async move {
            let besides = (SERVER, HeaderValue::from_static("autobahn"));
            let let_in = door.let_in(stream, &knock, besides).await;
            let_in.map(drop).map_err(|(stream, _)| (stream, Extensions::new()))
        })
    };
    let stop = tasks.stopped().clone();
    tasks.spawn(
        "accept",
        ws::accept(listener, tasks.clone(), stop, let_in, move |_| service.clone()),
    );
    Endpoint { address, tasks, sockets }
}

async fn open(door: Door, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match door.open(request).await {
        Ok(response) => response.map(|()| Full::default()),
        Err(refusal) => Response::builder().status(refusal.code.status()).body(Full::default()).unwrap(),
    })
}

impl Endpoint {
    /// Ends it. Whatever the clients did, nothing of them is left.
    pub(crate) async fn end(self) {
        self.tasks.stop();
        assert!(
            self.tasks.join(Duration::from_secs(10)).await,
            "{} tasks are left",
            self.tasks.len()
        );
        assert!(self.sockets.is_empty());
    }
}
