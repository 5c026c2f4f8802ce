//! Who talks all the time: a crew that stays for the whole run, half of it through nginx, with pages of
//! the predecessor; and guests with names of their own who come, talk for a while, some in a room of their
//! own, and leave for good before the next calm point.

use std::{net::SocketAddr, time::Duration};

use super::stage::CORNERS;
use crate::{
    common::eventually,
    harness::{
        crowd::Crowd,
        line::Backoff as Dice,
        person::{Order, Person, Plan},
        record::Clock,
    },
};

/// Half of them go to the nodes, half through nginx.
const CREW: usize = 12;
/// How often each of them says something: nobody may be away for so long that they can't resume.
const PACE: Duration = Duration::from_millis(800);
/// Most guests of one round.
const GUESTS: usize = 6;

pub struct People {
    pub crowd: Crowd,
    doors: Vec<SocketAddr>,
    nginx: SocketAddr,
    /// Guests that there ever were, and lines that the pages have said.
    guests: usize,
    lines: usize,
    /// Sockets of guests who have left.
    visits: usize,
    acks: usize,
    /// Who was told to sign out, and how many sockets they had had before.
    signing_out: Vec<(usize, usize)>,
}

impl People {
    /// The crew and two pages are in the lobby.
    pub async fn enter(clock: Clock, doors: Vec<SocketAddr>, nginx: SocketAddr) -> Self {
        let mut crowd = Crowd::of(clock, &doors);
        crowd.enter_page("oldpage", 0);
        crowd.enter(CREW / 2).await;
        crowd.enter_through(nginx, CREW / 2 + 1).await;
        Self {
            crowd,
            doors,
            nginx,
            guests: 0,
            lines: 0,
            visits: 0,
            acks: 0,
            signing_out: vec![],
        }
    }

    /// Everybody who stays, pages too.
    pub const fn count(&self) -> usize {
        CREW + self.crowd.pages.len()
    }

    /// Sockets that people of `v1` have opened so far.
    pub fn visits(&self) -> usize {
        self.visits + self.crowd.visits()
    }

    /// Messages that were acknowledged so far.
    pub fn acks(&self) -> usize {
        self.acks + self.crowd.acks()
    }

    pub const fn guests(&self) -> usize {
        self.guests
    }

    pub async fn talk(&self) {
        for person in &self.crowd.people[..CREW] {
            person.tell(Order::Talk(PACE)).await;
        }
    }

    /// Somebody does something, as the dice fall.
    pub async fn act(&mut self, dice: &mut Dice) {
        let (number, place) = (dice.below(CREW), dice.below(self.doors.len()));
        let person = &self.crowd.people[number];
        match dice.below(12) {
            0..4 => person.tell(Order::Reload(Some(place))).await,
            4..6 => person.tell(Order::Leave).await,
            6..8 => person.tell(Order::Return).await,
            8 => {
                self.signing_out.push((number, person.progress().visits));
                person.tell(Order::SignOut).await;
            }
            9 => {
                self.lines += 1;
                let page = &self.crowd.pages[self.lines % self.crowd.pages.len()];
                page.say(&format!("line {} of {}", self.lines, page.name)).await;
            }
            _ if self.crowd.people.len() < CREW + GUESTS => self.invite(dice, place).await,
            _ => {}
        }
    }

    async fn invite(&mut self, dice: &mut Dice, first: usize) {
        self.guests += 1;
        let ways = if dice.below(2) == 0 { self.doors.clone() } else { vec![self.nginx] };
        let mut plan = Plan::of(&format!("guest{}", self.guests), &ways, first);
        // Half of them are in another room besides, which may have to be opened for them.
        if dice.below(2) == 0 {
            plan.rooms.push(CORNERS[self.guests % CORNERS.len()].to_owned());
        }
        self.crowd.enter_as(plan).tell(Order::Talk(PACE)).await;
    }

    /// The crew is there, all of it, and the guests have left.
    pub async fn come_together(&mut self) {
        for guest in &self.crowd.people[CREW..] {
            guest.tell(Order::Leave).await;
        }
        for guest in &self.crowd.people[CREW..] {
            guest.until("having left", |progress| progress.away).await;
        }
        // Who is being signed out is here, and a moment later is not.
        for (number, visits) in std::mem::take(&mut self.signing_out) {
            let done = "the end of a sign-in";
            self.crowd.people[number].until(done, |now| now.away || now.visits > visits).await;
        }
        eventually("the crew is there", async || {
            let mut all = true;
            for person in &self.crowd.people[..CREW] {
                let progress = person.progress();
                if progress.away {
                    person.tell(Order::Return).await;
                }
                all &= progress.here && !progress.away;
            }
            all
        })
        .await;
    }

    /// Guests who have left are nobody's business any more.
    pub fn forget_guests(&mut self) {
        let gone: Vec<Person> = self.crowd.people.drain(CREW..).collect();
        self.visits += gone.iter().map(|guest| guest.progress().visits).sum::<usize>();
        self.acks += gone.iter().map(|guest| guest.progress().acked).sum::<usize>();
    }
}
