//! The promises of `chorus::cluster`, which every backend keeps.
//!
//! [`contract!`] makes one test of each promise for a backend; a backend is a function that opens
//! so many nodes of one fresh cluster. What only the cluster inside one process promises (its
//! faults, its cuts) is in `cluster_contract/local.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "cluster_contract/bus.rs"]
mod bus;
#[path = "cluster_contract/fixture.rs"]
mod fixture;
#[path = "cluster_contract/histories.rs"]
mod histories;
#[path = "cluster_contract/local.rs"]
mod local;
#[path = "cluster_contract/peers.rs"]
mod peers;
#[path = "cluster_contract/presence.rs"]
mod presence;
#[path = "cluster_contract/redis.rs"]
mod redis;
mod servers;

#[path = "cluster_contract/claims.rs"]
mod claims;
#[path = "cluster_contract/lost_memory.rs"]
mod lost_memory;
#[path = "cluster_contract/opening.rs"]
mod opening;
#[path = "cluster_contract/troubles.rs"]
mod troubles;

/// Runs every promise, each on three nodes of a fresh cluster that `$open` answers as
/// `fixture::Opened`.
macro_rules! contract {
    ($backend:ident, $open:expr, $($room:ident: $($promise:ident),+;)+) => {
        mod $backend {
            $(mod $room {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                    async fn $promise() {
                        let opened = $open(3).await;
                        crate::$room::$promise(&opened.nodes).await;
                    }
                )+
            })+
        }
    };
    ($backend:ident, $open:expr) => {
        contract! { $backend, $open,
            bus:
                a_notice_reaches_the_nodes_that_subscribed,
                a_node_hears_of_no_room_it_did_not_ask_for,
                a_notice_without_a_room_reaches_every_other_node,
                leaving_one_room_leaves_no_other_and_one_may_return,
                a_node_is_listened_to_once,
                a_node_that_fell_behind_is_told_and_hears_on;
            presence:
                a_change_raises_the_version_by_one,
                what_changes_nothing_keeps_the_version,
                every_node_sees_who_is_connected_where,
                versions_come_in_the_order_asked,
                of_racing_changes_each_has_its_own_version,
                beats_rise_and_everybody_sees_them,
                the_reaped_leave_every_room,
                the_reaped_can_not_come_back,
                one_that_was_reaped_is_reaped_once,
                the_withdrawn_stay_for_the_grace_time_and_no_longer,
                people_are_counted_once_and_without_the_dead;
            peers:
                a_healthy_peer_is_known_to_the_others_and_not_to_itself,
                an_old_word_about_health_does_not_count,
                nodes_know_what_was_said_on_the_others,
                answers_come_in_the_order_of_the_people_asked_for,
                what_is_older_than_the_window_is_forgotten;
            histories:
                generated_histories_follow_the_model;
        }
    };
}

contract!(in_process, crate::local::fresh);
contract!(one_redis, crate::redis::fresh);
contract!(redis_cluster, crate::redis::fresh_on_cluster);
