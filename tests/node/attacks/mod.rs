//! The attack list, on a started node through real TCP: what must be refused is refused before it
//! costs anything, and everybody else is served meanwhile.

mod crowds;
mod doors;
mod start;
