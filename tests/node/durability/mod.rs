//! The built program, killed, stopped and started again on the same data: what was acknowledged
//! stays, and operators can count on its exit codes.

mod copies;
mod desk;
mod disk;
mod kills;
mod operator;
mod retention;
mod server;
