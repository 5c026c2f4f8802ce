//! Who somebody is: accounts, sign-ins, tokens, tickets, and the sockets that live by them.
//!
//! A sign-in (`sid`) begins with a password ([`sign_in`]) and ends by logout, expiry, a password change
//! elsewhere or the account's deletion ([`sign_out`]). Tokens prolong it, a cookie lets a browser ask
//! for another one later ([`remembered`]), tickets open sockets of it ([`admission`]), and when it ends
//! its sockets are closed on every node: at once through the bus, within seconds through the store
//! when the bus lost it ([`watch`]). Programs show tokens that the operator made for them ([`bots`]).
//!
//! Nothing here knows a server or sockets; what is asked comes as text, headers and addresses.

mod accounts;
mod admission;
mod asker;
mod batches;
mod bots;
mod client_ip;
mod counts;
mod ends;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod keyed;
mod origins;
mod passwords;
mod remembered;
mod seats;
mod sign_in;
mod sign_out;
mod strangers;
mod tickets;
mod tokens;
mod watch;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use secrecy::SecretString;
use tokio::runtime::Handle;

pub use self::{
    accounts::Accounts,
    admission::{Admission, Credential, Shown},
    asker::{Asker, bearer},
    bots::{Bots, Identity, NewBot, beyond_scope, end_of, is_of_a_bot},
    client_ip::{AddressKey, Proxies},
    counts::{Counts, Place},
    origins::{Asked, Origins, admit_own, is_own},
    passwords::Passwords,
    remembered::COOKIE_LIFE,
    seats::{CLOSE_SESSION_ENDED, Closes, REASON_SESSION_ENDED, Seat, Seats},
    sign_in::{Issued, SignedIn},
    strangers::Strangers,
    tickets::TICKET_SECONDS,
    tokens::Claims,
};
use self::{
    batches::{Batches, Waiting},
    bots::KnownBots,
    ends::Ends,
    sign_in::session_ended,
    tickets::Tickets,
    tokens::Tokens,
    watch::Watch,
};
use crate::{
    cluster::{Bus, Incarnation},
    domain::{Password, Timestamp, UserId, Username},
    error::{Code, Refusal},
    shutdown::Tasks,
    store::{self, LaggingReads, Redeemed, SignIn, Store, TicketUse, TokenHash},
};

/// The database's clock, as this node reckons it.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The accounts that `DEMO_ACCOUNTS` makes.
const DEMO: [(&str, &str); 2] = [("demo", "demo1234"), ("guest", "guest1234")];

/// How many batches of tokens are asked for at once, so that some which hang do not stop all.
const TOKEN_LOOKUPS: usize = 4;

/// What `auth` is set to. The settings of these names say what each means.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Signs tokens and tickets.
    pub secret: SecretString,
    /// Verifies those made before the secret was changed.
    pub previous_secret: Option<SecretString>,
    /// How long a token is valid.
    pub token_ttl: Duration,
    /// The cost of a password hash, log2 of the rounds.
    pub bcrypt_cost: u32,
    /// Sockets of one user on this node.
    pub max_sockets_per_user: usize,
    /// Sockets of one address on this node.
    pub max_sockets_per_address: usize,
    /// Whether anybody may register.
    pub registration_open: bool,
    /// Pages that may connect.
    pub origins: Origins,
    /// Proxies that are believed.
    pub proxies: Proxies,
}

/// What a node hands to `auth`.
pub struct Parts {
    /// What lasts.
    pub store: Arc<dyn Store>,
    /// Read replicas of it, if there are any.
    pub replicas: Option<Arc<dyn LaggingReads>>,
    /// Through which other nodes hear of ends.
    pub bus: Arc<dyn Bus>,
    /// Who says so.
    pub me: Incarnation,
    /// The database's clock.
    pub now: Now,
}

/// Everything about who somebody is. Shared as `Arc<Auth>`.
pub struct Auth {
    parts: Parts,
    accounts: Accounts,
    bots: Bots,
    known_bots: KnownBots,
    strangers: Strangers,
    tokens: Tokens,
    tickets: Tickets,
    /// Tickets of those who come, of open sockets, and tokens.
    redeemed: Batches<TicketUse, Redeemed>,
    renewed: Batches<TicketUse, Redeemed>,
    found: Batches<TokenHash, Option<SignIn>>,
    /// Tokens that are asked of replicas first, if there are any.
    found_on_replicas: Option<Batches<TokenHash, Option<SignIn>>>,
    waiting: Mutex<Option<Queues>>,
    seats: Arc<Seats>,
    ends: Arc<Ends>,
    by_user: Counts<UserId>,
    by_address: Counts<AddressKey>,
    origins: Origins,
    proxies: Proxies,
    token_seconds: i64,
    registration_open: bool,
}

/// What waits to be looked up.
struct Queues {
    tickets: Waiting<TicketUse, Redeemed>,
    renewals: Waiting<TicketUse, Redeemed>,
    tokens: Waiting<TokenHash, Option<SignIn>>,
    on_replicas: Option<Waiting<TokenHash, Option<SignIn>>>,
}

impl Auth {
    /// By these settings.
    pub fn new(settings: Settings, parts: Parts) -> Self {
        let (secret, previous) = (&settings.secret, settings.previous_secret.as_ref());
        let ((redeemed, tickets), (renewed, renewals), (found, tokens)) =
            (Batches::new(), Batches::new(), Batches::new());
        let (found_on_replicas, on_replicas) = parts.replicas.as_ref().map(|_| Batches::new()).unzip();
        let passwords = Passwords::new(settings.bcrypt_cost);
        Self {
            bots: Bots::new(parts.store.clone(), passwords.clone()),
            known_bots: KnownBots::default(),
            strangers: Strangers::default(),
            accounts: Accounts::new(parts.store.clone(), passwords).with_replicas(parts.replicas.clone()),
            tokens: Tokens::new(secret, previous),
            tickets: Tickets::new(secret, previous),
            redeemed,
            renewed,
            found,
            found_on_replicas,
            waiting: Mutex::new(Some(Queues { tickets, renewals, tokens, on_replicas })),
            seats: Arc::default(),
            ends: Arc::default(),
            by_user: Counts::new(settings.max_sockets_per_user),
            by_address: Counts::new(settings.max_sockets_per_address),
            origins: settings.origins,
            proxies: settings.proxies,
            token_seconds: settings.token_ttl.as_secs().cast_signed(),
            registration_open: settings.registration_open,
            parts,
        }
    }

    /// Starts what runs beside the calls: the watch over sign-ins, here, and where HTTP is served (`at_http`) what looks
    /// the credentials of all calls up that wait: so those of many who come at once go together. To be called once.
    pub fn start(&self, tasks: &Tasks, at_http: &Handle) {
        let Some(Queues { tickets, renewals, tokens, on_replicas }) = self.waiting.lock().take() else {
            return;
        };
        let stop = tasks.stopped();
        let watch = Watch {
            store: self.parts.store.clone(),
            seats: self.seats.clone(),
            ends: self.ends.clone(),
            for_replicas: self.parts.replicas.is_some(),
            now: self.parts.now.clone(),
        };
        tasks.spawn("auth-watch", watch.run(stop.clone()));
        // Open sockets don't stand back for those who come.
        tasks.spawn("auth-renewals", renewals.serve(self.redeem_all(), stop.clone()));
        let _there = at_http.enter();
        // One commit after the other: so most share one.
        tasks.spawn("auth-tickets", tickets.serve(self.redeem_all(), stop.clone()));
        for _ in 0..TOKEN_LOOKUPS {
            let store = self.parts.store.clone();
            let find = move |tokens: Vec<TokenHash>| {
                let store = store.clone();
                async move { store.sign_ins_by_token(&tokens).await }
            };
            tasks.spawn("auth-tokens", tokens.clone().serve(find, stop.clone()));
            if let (Some(replicas), Some(tokens)) = (&self.parts.replicas, &on_replicas) {
                let replicas = replicas.clone();
                let find = move |tokens: Vec<TokenHash>| {
                    let replicas = replicas.clone();
                    async move { replicas.lagging_sign_ins(&tokens).await }
                };
                tasks.spawn("auth-tokens-replicas", tokens.clone().serve(find, stop.clone()));
            }
        }
    }

    /// Uses tickets up.
    fn redeem_all(
        &self,
    ) -> impl Fn(Vec<TicketUse>) -> BoxFuture<'static, store::Result<Vec<Redeemed>>> + use<> {
        let store = self.parts.store.clone();
        move |tickets| {
            let store = store.clone();
            Box::pin(async move { store.redeem(&tickets).await })
        }
    }

    /// The rule about origins.
    pub const fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The proxies that are believed.
    pub const fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Whether anybody may register.
    pub const fn registration_open(&self) -> bool {
        self.registration_open
    }

    /// The sockets by sign-in.
    pub const fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    /// Adds an account.
    ///
    /// # Errors
    /// `registration_closed`, `username_taken`.
    pub async fn register(&self, username: &Username, password: &Password) -> Result<(), Refusal> {
        if !self.registration_open {
            return Err(Refusal::new(Code::RegistrationClosed, "Registration is closed here."));
        }
        self.accounts.create(username, password).await
    }

    /// The operator adds an account, registration closed or not.
    ///
    /// # Errors
    /// `username_taken`.
    pub async fn admin_create(&self, username: &Username, password: &Password) -> Result<(), Refusal> {
        self.accounts.create(username, password).await
    }

    /// Makes the demo accounts. A name that is taken stays as it is.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub async fn make_demo_accounts(&self) -> Result<(), Refusal> {
        for (name, password) in DEMO {
            let (name, password) = (Username::parse(name)?, Password::parse(password)?);
            match self.accounts.create(&name, &password).await {
                Err(refusal) if refusal.code != Code::UsernameTaken => return Err(refusal),
                _ => {}
            }
        }
        Ok(())
    }

    /// How many people have a socket on this node.
    pub fn people(&self) -> usize {
        self.by_user.keys()
    }

    fn now(&self) -> Timestamp {
        (self.parts.now)()
    }
}
