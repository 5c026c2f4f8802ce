//! The harness by itself: each fault of the proxy does what it says on real connections, the
//! checker lets correct histories pass and finds each kind of injected fault, and a node that
//! suffers behind the proxies is judged from its clients' recordings.

mod alone;
mod checker;
mod faults;
mod histories;
mod proxy;
mod times;
