//! Who somebody is: accounts, sign-ins, tokens, tickets, and the sockets that live by them.
//!
//! A sign-in (`sid`) begins with a password and ends by logout, expiry, a password change
//! elsewhere or the account's deletion. Tokens prolong it, a cookie lets a browser ask for another one
//! later, tickets open sockets of it, and when it
//! ends its sockets are closed on every node: at once through the bus, within seconds through the
//! store when the bus lost it.
//!
//! Nothing here knows a server or sockets; what is asked comes as text, headers and addresses.

mod accounts;
mod admission;
mod asker;
mod client_ip;
mod counts;
mod ends;
mod origins;
mod passwords;
mod redeemer;
mod remembered;
mod seats;
mod tickets;
mod tokens;
mod watch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use secrecy::SecretString;

pub use self::{
    accounts::Accounts,
    admission::{Admission, Credential},
    asker::{Asker, bearer},
    client_ip::{AddressKey, Proxies},
    counts::{Counts, Place},
    origins::{Asked, Origins, admit_own, is_own},
    passwords::Passwords,
    remembered::COOKIE_LIFE,
    seats::{CLOSE_SESSION_ENDED, Closes, REASON_SESSION_ENDED, Seat, Seats},
    tickets::TICKET_SECONDS,
    tokens::Claims,
};
use self::{ends::Ends, redeemer::Redeemer, tickets::Tickets, tokens::Tokens, watch::Watch};
use crate::{
    cluster::{Bus, Envelope, Incarnation, Notice},
    domain::{Password, SignInId, Timestamp, UserId, Username},
    error::{Code, Refusal},
    shutdown::Tasks,
    store::{Account, LaggingReads, NewToken, SignIn, Store, StoreError, TokenHash},
};

/// The database's clock, as this node reckons it.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Somebody whose credential was checked just now.
pub type SignedIn = SignIn;

/// How many ends of one change are rung through the bus; the others are found by the poll.
const RUNG: usize = 64;

/// The accounts that `DEMO_ACCOUNTS` makes.
const DEMO: [(&str, &str); 2] = [("demo", "demo1234"), ("guest", "guest1234")];

/// A token that was made for somebody.
pub struct Issued {
    /// The token.
    pub token: String,
    /// Whose it is, as registered.
    pub username: Username,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The refresh cookie, if the browser is to keep one from now on.
    pub cookie: Option<SecretString>,
}

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
    tokens: Tokens,
    tickets: Tickets,
    redeemer: Redeemer,
    counter: Mutex<Option<redeemer::Counter>>,
    seats: Arc<Seats>,
    ends: Arc<Ends>,
    by_user: Counts<UserId>,
    by_address: Counts<AddressKey>,
    origins: Origins,
    proxies: Proxies,
    token_seconds: i64,
    registration_open: bool,
}

impl Auth {
    /// By these settings.
    pub fn new(settings: Settings, parts: Parts) -> Self {
        let (secret, previous) = (&settings.secret, settings.previous_secret.as_ref());
        let (redeemer, counter) = Redeemer::new();
        Self {
            accounts: Accounts::new(parts.store.clone(), Passwords::new(settings.bcrypt_cost))
                .with_replicas(parts.replicas.clone()),
            tokens: Tokens::new(secret, previous),
            tickets: Tickets::new(secret, previous),
            redeemer,
            counter: Mutex::new(Some(counter)),
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

    /// Starts what runs beside the calls: the ledger of tickets and the watch over sign-ins.
    /// To be called once.
    pub fn start(&self, tasks: &Tasks) {
        let (store, stop) = (self.parts.store.clone(), tasks.stopped());
        if let Some(counter) = self.counter.lock().take() {
            tasks.spawn("auth-tickets", counter.run(store.clone(), stop.clone()));
            let watch = Watch {
                store,
                seats: self.seats.clone(),
                ends: self.ends.clone(),
                for_replicas: self.parts.replicas.is_some(),
                now: self.parts.now.clone(),
            };
            tasks.spawn("auth-watch", watch.run(stop.clone()));
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

    /// Begins a sign-in, with a refresh cookie if the browser is to `remember` it.
    ///
    /// # Errors
    /// `invalid_credentials`, the same for an unknown name and a wrong password.
    pub async fn login(&self, username: &str, password: &str, remember: bool) -> Result<Issued, Refusal> {
        let account = self.accounts.recognise(username, password).await?;
        if let Some(issued) = self.begin(&account, remember).await? {
            return Ok(issued);
        }
        // A replica may have shown a hash that another node has renewed since.
        let account = self.accounts.authenticate(username, password).await?;
        self.begin(&account, remember).await?.ok_or_else(Self::invalid_credentials)
    }

    /// Begins a sign-in of somebody whose password was compared; `None` when it was changed or the
    /// account deleted since it was read.
    async fn begin(&self, account: &Account, remember: bool) -> Result<Option<Issued>, Refusal> {
        let sid = SignInId::random();
        let (token, mut issued) = self.mint(sid, account.id, account.username.clone())?;
        if !self.parts.store.begin_sign_in(&token, &account.password_hash).await? {
            return Ok(None);
        }
        if remember {
            issued.cookie = Some(self.remember(sid).await?);
        }
        Ok(Some(issued))
    }

    /// Ends the sign-in of a token.
    ///
    /// # Errors
    /// `unauthorized` when there is no such sign-in.
    pub async fn logout(&self, token: &str) -> Result<(), Refusal> {
        let who = self.bearer(token).await?;
        if self.end(who.sid).await? { Ok(()) } else { Err(Refusal::unauthorized()) }
    }

    /// Who shows this token.
    ///
    /// # Errors
    /// `unauthorized` for anything but a valid token of a living sign-in.
    pub async fn bearer(&self, token: &str) -> Result<SignedIn, Refusal> {
        let claims = self.claims(token).ok_or_else(Refusal::unauthorized)?;
        let found = self.sign_in(tokens::hash(token), claims.sid).await?;
        found
            .filter(|sign_in| (sign_in.sid, sign_in.user) == (claims.sid, claims.user))
            .ok_or_else(Refusal::unauthorized)
    }

    /// The sign-in of a token, from a replica while its word counts ([`Ends`]).
    async fn sign_in(&self, token: TokenHash, sid: SignInId) -> Result<Option<SignIn>, StoreError> {
        match &self.parts.replicas {
            Some(replicas) if self.ends.are_fresh(Instant::now()) && !self.ends.names(sid) => {
                // It may have ended while the replica was asked.
                let found = replicas.lagging_sign_in(token).await?;
                // The replica judges expiry by its own clock; ours follows the primary's.
                let (now, known) = (self.now(), !self.ends.names(sid));
                Ok(found.filter(|sign_in| known && sign_in.expires_at > now))
            }
            _ => self.parts.store.sign_in(token).await,
        }
    }

    /// What a token says, if we signed it and it has not expired; it may have been revoked. For
    /// whom to count a call, not for letting anybody in.
    pub fn claims(&self, token: &str) -> Option<Claims> {
        self.tokens.verify(token, self.now())
    }

    /// A new token of the same sign-in. The old one stays valid until it expires.
    ///
    /// # Errors
    /// `session_ended`.
    pub async fn refresh(&self, who: &SignedIn) -> Result<Issued, Refusal> {
        let (token, issued) = self.mint(who.sid, who.user, who.username.clone())?;
        if !self.parts.store.add_token(&token).await? {
            return Err(session_ended());
        }
        self.seats.prolong(who.sid, issued.expires_at);
        Ok(issued)
    }

    /// Changes the password, ends all other sign-ins of the person and answers a new token.
    ///
    /// # Errors
    /// `invalid_credentials` when `current` is wrong.
    pub async fn change_password(
        &self,
        who: &SignedIn,
        current: &str,
        new: &Password,
    ) -> Result<Issued, Refusal> {
        let ended = self.accounts.change(&who.username, current, new, who.sid).await?;
        self.told_ended(&ended).await;
        self.refresh(who).await
    }

    /// Another node says that a sign-in ended.
    pub fn handle_ended(&self, sid: SignInId) {
        self.ends.heard(Instant::now(), sid);
        self.seats.end(sid);
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

    /// The operator adds an account, registration closed or not.
    ///
    /// # Errors
    /// `username_taken`.
    pub async fn admin_create(&self, username: &Username, password: &Password) -> Result<(), Refusal> {
        self.accounts.create(username, password).await
    }

    /// The operator sets a password; all sign-ins of the person end.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn admin_set_password(&self, username: &Username, new: &Password) -> Result<(), Refusal> {
        let ended = self.accounts.set(username, new).await?;
        self.told_ended(&ended).await;
        Ok(())
    }

    /// The operator deletes an account; its sign-ins end, its messages stay.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn admin_delete(&self, username: &Username) -> Result<(), Refusal> {
        let ended = self.accounts.delete(username).await?;
        self.told_ended(&ended).await;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        (self.parts.now)()
    }

    fn invalid_credentials() -> Refusal {
        Refusal::new(Code::InvalidCredentials, "Wrong username or password.")
    }

    /// A token that is not in the store yet. It ends on a whole second, as a JWT counts.
    fn mint(&self, sid: SignInId, user: UserId, username: Username) -> Result<(NewToken, Issued), Refusal> {
        let now = self.now();
        let expires_at = Timestamp(now.seconds() * 1000).plus_seconds(self.token_seconds);
        let minted = self
            .tokens
            .mint(&Claims { user, sid, expires_at }, now)
            .map_err(|error| Refusal::new(Code::Internal, "Something went wrong here.").because(error))?;
        let kept = NewToken { sid, user, hash: minted.hash, expires_at };
        let issued = Issued { token: minted.token, username, expires_at, cookie: None };
        Ok((kept, issued))
    }

    async fn end(&self, sid: SignInId) -> Result<bool, Refusal> {
        let ended = self.parts.store.end_sign_in(sid).await?;
        self.told_ended(&[sid]).await;
        Ok(ended)
    }

    /// These sign-ins have ended: closes their sockets here and rings for the other nodes.
    async fn told_ended(&self, ended: &[SignInId]) {
        for sid in ended {
            self.handle_ended(*sid);
        }
        for sid in ended.iter().take(RUNG) {
            let envelope = Envelope { from: self.parts.me, notice: Notice::SignInEnded(*sid) };
            if let Err(error) = self.parts.bus.publish(envelope).await {
                // The others find all of them in the store within seconds.
                tracing::debug!(%error, "the end of a sign-in was not published");
                break;
            }
        }
    }
}

fn session_ended() -> Refusal {
    Refusal::new(Code::SessionEnded, "This sign-in has ended.")
}
