//! The accept loop, on hyper's own http1 connection.
//!
//! Our own because the ready-made ones hold silent connections for ever, leave Nagle's algorithm
//! on and don't let go of upgraded sockets. Here a connection without a byte for 10 s is cut, or without a whole request
//! header within 10 s of its first, at its beginning as well as between requests; a connection that only talks HTTP
//! lives a few minutes at most; and the loop survives when file descriptors run out.
//!
//! It lets in as many as there is time for. After a few it waits until everything that was ready had
//! its turn; when that took long it pauses for as long again, or until one of the threads that do this
//! has nothing to do, and whoever comes waits in the kernel's queue. So in a storm those who are in
//! already are not crowded out by those who come.

use std::{
    error::Error as StdError,
    iter, mem,
    net::{SocketAddr, TcpStream},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{Extensions, Request, Response};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use tokio::{
    net::TcpStream as Watched,
    sync::Notify,
    task::yield_now,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{knock::Knock, listener::Listener};
use crate::shutdown::Tasks;

/// The first byte must come within this time, and a request header be whole within the same after its first byte; also the
/// idle time between requests.
const HEADER: Duration = Duration::from_secs(10);
/// Bytes of a request header, and of what is buffered of a body.
const BUFFER: usize = 16 * 1024;
/// How long a connection may talk HTTP; then the request under way is its last.
const LIFETIME: Duration = Duration::from_mins(5);
/// How long the last request may take.
const LAST: Duration = Duration::from_secs(30);
/// How long it may take once the node stops: half a request must not hold up its end.
const LAST_OF_ALL: Duration = Duration::from_millis(500);
/// What is waited after an error of `accept`, which mostly says that file descriptors ran out.
const BREATH: Duration = Duration::from_millis(50);
/// So many are accepted before everything that is ready has its turn.
const TOGETHER: usize = 8;
/// A round of all tasks that are ready may take this long before the loop pauses.
const QUICK: Duration = Duration::from_millis(1);
/// The longest pause. A round takes as long as it takes, so whoever comes waits at most this much more.
const PAUSE_MOST: Duration = Duration::from_millis(5);

/// Told whenever a thread of those that serve people has nothing to do. (The operator's listener, of which few ask, is
/// elsewhere; its pauses mostly last as long as they may.)
static IDLE: Notify = Notify::const_new();

/// Ends the pauses: who runs the runtime in which connections are accepted calls this when one of its threads has
/// nothing to do.
pub fn thread_idles() {
    IDLE.notify_waiters();
}

/// What becomes of a [`Knock`]: a socket, or the connection comes back for HTTP, and what its first request carries then.
pub type LetIn = BoxFuture<'static, Result<(), (TcpStream, Extensions)>>;

/// Accepts connections until `stop`. One that begins with the handshake of a WebSocket is `let_in`; any other is served by
/// the service made for its peer. After `stop`
/// requests under way are finished, idle connections closed and upgraded sockets left alone.
pub async fn accept<L, F, S, B>(
    listener: Listener,
    tasks: Tasks,
    stop: CancellationToken,
    let_in: L,
    service: F,
) where
    L: Fn(TcpStream, Knock) -> LetIn + Clone + Send + 'static,
    F: Fn(SocketAddr) -> S + Send,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    // What does not work is tried again many times a second; it is said once, until something works.
    let mut failing = false;
    let begin = |(stream, peer)| {
        let (service, until) = (service(peer), stop.clone());
        let http = |stream, known| {
            let known = Arc::new(Mutex::new(known));
            serve(stream, Known { service, known }, until)
        };
        tasks.spawn_connection(receive((stream, peer), let_in.clone(), http, stop.clone()));
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok(first) => {
                failing = false;
                begin(first);
                // An error that lasts is met again in a moment.
                let more = iter::from_fn(|| listener.accept().now_or_never()?.ok());
                more.take(TOGETHER - 1).for_each(begin);
                let round = Instant::now();
                yield_now().await;
                if let Some(pause) = pause(round.elapsed()) {
                    rest(pause).await;
                }
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "connections can't be accepted");
                }
                failing = true;
                sleep(BREATH).await;
            }
        }
    }
}

/// The pause after a round that took this long.
fn pause(round: Duration) -> Option<Duration> {
    (round > QUICK).then_some(round.min(PAUSE_MOST))
}

/// Waits for so long, or until a thread that serves connections has nothing to do.
async fn rest(pause: Duration) {
    let _ = timeout(pause, IDLE.notified()).await;
}

/// From its first byte on; `http` is for what is not let in.
async fn receive<L, H, Served>(
    (stream, peer): (TcpStream, SocketAddr),
    let_in: L,
    http: H,
    stop: CancellationToken,
) where
    L: Fn(TcpStream, Knock) -> LetIn,
    H: FnOnce(Watched, Extensions) -> Served,
    Served: Future<Output = ()>,
{
    let knock = tokio::select! {
        knock = timeout(HEADER, Knock::at(stream, peer)) => knock,
        () = stop.cancelled() => return,
    };
    let Ok(Ok((stream, knock))) = knock else { return };
    let (stream, known) = match knock {
        Some(knock) => tokio::select! {
            done = let_in(stream, knock) => match done {
                Ok(()) => return,
                Err(back) => back,
            },
            () = at_the_end(&stop) => return,
        },
        None => (stream, Extensions::new()),
    };
    if let Ok(stream) = Watched::from_std(stream) {
        http(stream, known).await;
    }
}

/// A service whose first request carries what is known of it already.
#[derive(Clone)]
struct Known<S> {
    service: S,
    known: Arc<Mutex<Extensions>>,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for Known<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> S::Future {
        request.extensions_mut().extend(mem::take(&mut *self.known.lock()));
        self.service.call(request)
    }
}

async fn serve<S, B>(stream: Watched, service: S, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = Box::pin(connection);
    tokio::select! {
        // An error is the client's: a broken request, a timeout, a lost connection.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
        () = sleep(LIFETIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = timeout(LAST, connection) => {}
        () = at_the_end(&stop) => {}
    }
}

/// When what is under way had its time once the node stops.
async fn at_the_end(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(LAST_OF_ALL).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_when_a_thread_has_nothing_to_do() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().on_thread_park(thread_idles).build().unwrap();
        let (pause, began) = (Duration::from_mins(10), Instant::now());
        runtime.block_on(rest(pause));
        assert!(began.elapsed() < pause / 10);
    }

    #[test]
    fn only_a_node_that_is_behind_pauses_and_never_for_long() {
        assert_eq!(pause(Duration::ZERO), None);
        assert_eq!(pause(QUICK), None);
        assert_eq!(pause(QUICK * 2), Some(QUICK * 2));
        assert_eq!(pause(Duration::from_secs(1)), Some(PAUSE_MOST));
    }
}
