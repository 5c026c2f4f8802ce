//! The two hard parts of chat as small worlds, explored to the end: [`repair`], how messages come to everybody
//! though bells get lost while members join, and [`presence`], who is here while nodes stall, die and return.
//!
//! What decides in them is the code itself; what only carries is replaced by something whose meaning its module
//! says. A broken promise is told with the shortest way to it. Each promise is shown to be able to break: by a step
//! that is done wrong on purpose.
//!
//!     cargo test --lib chat::model -- --nocapture                     small worlds, with their figures
//!     CHORUS_MODEL=large cargo test --lib chat::model -- --nocapture      larger ones

mod explorer;
mod presence;
mod repair;

/// Whether the larger worlds are wanted.
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn is_large() -> bool {
    std::env::var("CHORUS_MODEL").is_ok_and(|size| size == "large")
}

#[expect(clippy::print_stdout, reason = "the figures are for whoever runs it")]
fn tell(what: &str, figures: &dyn std::fmt::Display) {
    println!("{what}: {figures}");
}
