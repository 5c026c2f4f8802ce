//! How often somebody may call: per address without a sign-in, per user with one.
//!
//! Whose token verifies here and now is counted as that user, everybody else by address; so are
//! all calls to register and sign in, whatever token comes along, because a token must not buy
//! guesses of passwords. A bot is counted as itself once its token was found valid here. Files,
//! health checks and preflights are free. Whoever has been silent long enough to have everything
//! back is forgotten.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use governor::{clock::QuantaInstant, middleware::NoOpMiddleware};
use tokio::time::interval;
use tower::{Layer, Service, ServiceExt};
use tower_governor::{
    GovernorError, GovernorLayer,
    governor::{Governor, GovernorConfig, GovernorConfigBuilder},
    key_extractor::KeyExtractor,
};

use super::asker::{Asker, bearer};
use crate::{
    auth::{AddressKey, Auth},
    domain::UserId,
    error::{Code, Refusal},
    shutdown::Tasks,
    tally::Limit,
};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
/// How often those who have everything back are forgotten.
const SWEEP: Duration = Duration::from_mins(1);

type NoOp = NoOpMiddleware<QuantaInstant>;
type Config<K> = Arc<GovernorConfig<K, NoOp>>;

/// Counts by the client's address.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByAddress;

impl KeyExtractor for ByAddress {
    type Key = AddressKey;

    fn extract<T>(&self, request: &http::Request<T>) -> Result<AddressKey, GovernorError> {
        let asker = request.extensions().get::<Asker>().ok_or(GovernorError::UnableToExtractKey)?;
        Ok(asker.address.into())
    }
}

/// Counts by the user that [`Limited`] found.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByUser;

#[derive(Clone, Copy)]
struct Counted(UserId);

impl KeyExtractor for ByUser {
    type Key = UserId;

    fn extract<T>(&self, request: &http::Request<T>) -> Result<UserId, GovernorError> {
        let counted = request.extensions().get::<Counted>().ok_or(GovernorError::UnableToExtractKey)?;
        Ok(counted.0)
    }
}

/// The limits of one node.
pub(super) struct Limits {
    by_address: Config<ByAddress>,
    by_user: Config<ByUser>,
}

impl Limits {
    /// These many calls per hour and address, and per minute and user.
    pub(super) fn new(per_hour: u32, per_minute: u32) -> Self {
        Self {
            by_address: config(ByAddress, HOUR, per_hour),
            by_user: config(ByUser, MINUTE, per_minute),
        }
    }

    /// The layer of calls that anybody may make.
    pub(super) fn of_address(&self) -> AddressLayer {
        GovernorLayer::new(self.by_address.clone()).error_handler(|error| refuse(&error, Limit::Address))
    }

    /// The layer of calls that want a sign-in.
    pub(super) fn of_caller(&self, auth: Arc<Auth>) -> CallerLayer {
        let by_user =
            GovernorLayer::new(self.by_user.clone()).error_handler(|error| refuse(&error, Limit::User));
        CallerLayer { by_address: self.of_address(), by_user, auth }
    }

    /// Forgets, now and then, whoever has everything back.
    pub(super) fn sweep(&self, tasks: &Tasks) {
        let (addresses, users) = (self.by_address.clone(), self.by_user.clone());
        let stop = tasks.stopped().clone();
        tasks.spawn("http-limits", async move {
            let mut ticks = interval(SWEEP);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                addresses.limiter().retain_recent();
                addresses.limiter().shrink_to_fit();
                users.limiter().retain_recent();
                users.limiter().shrink_to_fit();
            }
        });
    }
}

/// Counts calls by address.
pub(super) type AddressLayer = GovernorLayer<ByAddress, NoOp, Body>;

/// All calls of a window may come at once; each is given back when its share of it has passed.
#[expect(clippy::expect_used, reason = "neither number is zero")]
fn config<K: KeyExtractor>(key: K, window: Duration, calls: u32) -> Config<K> {
    let calls = calls.max(1);
    let config = GovernorConfigBuilder::default()
        .key_extractor(key)
        .period(window / calls)
        .burst_size(calls)
        .finish();
    Arc::new(config.expect("a window and a burst that are not zero"))
}

fn refuse(error: &GovernorError, limit: Limit) -> Response {
    let GovernorError::TooManyRequests { wait_time, .. } = error else {
        return Refusal::internal().into_response();
    };
    limit.count(1);
    // It was cut to whole seconds.
    Refusal::new(Code::RateLimited, "Too many requests. Please try again later.")
        .retry_after(Duration::from_secs(wait_time + 1))
        .into_response()
}

/// Counts by user whose token verifies, by address all others.
#[derive(Clone)]
pub(super) struct CallerLayer {
    by_address: AddressLayer,
    by_user: GovernorLayer<ByUser, NoOp, Body>,
    auth: Arc<Auth>,
}

impl<S: Clone> Layer<S> for CallerLayer {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            by_address: self.by_address.layer(inner.clone()),
            by_user: self.by_user.layer(inner),
            auth: self.auth.clone(),
        }
    }
}

/// A service behind both limits, one of which counts.
#[derive(Clone)]
pub(super) struct Limited<S> {
    by_address: Governor<ByAddress, NoOp, S, Body>,
    by_user: Governor<ByUser, NoOp, S, Body>,
    auth: Arc<Auth>,
}

impl<S> Service<Request> for Limited<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    /// Readiness is waited for in `call`, of the one that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match bearer(request.headers()).and_then(|token| self.auth.counted_as(token)) {
            Some(user) => {
                request.extensions_mut().insert(Counted(user));
                Box::pin(self.by_user.clone().oneshot(request))
            }
            None => Box::pin(self.by_address.clone().oneshot(request)),
        }
    }
}
