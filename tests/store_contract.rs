//! The promises of `chorus::store`, which every backend keeps.
//!
//! [`contract!`] makes one test of each promise for a backend; a backend is a function that opens
//! a fresh, empty store. What only the embedded backend promises is in `store_contract/sqlite.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "store_contract/accounts.rs"]
mod accounts;
#[path = "store_contract/bots.rs"]
mod bots;
#[path = "store_contract/cookies.rs"]
mod cookies;
#[path = "store_contract/fixture.rs"]
mod fixture;
#[path = "store_contract/histories.rs"]
mod histories;
#[path = "store_contract/leads.rs"]
mod leads;
#[path = "store_contract/log.rs"]
mod log;
#[path = "store_contract/postgres.rs"]
mod postgres;
#[path = "store_contract/relaying.rs"]
mod relaying;
#[path = "store_contract/replicas.rs"]
mod replicas;
#[path = "store_contract/retention.rs"]
mod retention;
mod servers;
#[path = "store_contract/sign_ins.rs"]
mod sign_ins;
#[path = "store_contract/sqlite.rs"]
mod sqlite;
#[path = "store_contract/upkeep.rs"]
mod upkeep;

/// Runs every promise, each on a fresh store that `$open` answers as `fixture::Opened`.
macro_rules! contract {
    ($backend:ident, $open:expr, $($room:ident: $($promise:ident),+;)+) => {
        mod $backend {
            $(mod $room {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                    async fn $promise() {
                        let opened = $open().await;
                        crate::$room::$promise(&opened.store).await;
                        opened.store.close().await;
                    }
                )+
            })+
        }
    };
    ($backend:ident, $open:expr) => {
        contract! { $backend, $open,
            accounts:
                names_are_one_whatever_their_case,
                of_racing_registrations_one_wins,
                a_hash_is_replaced_only_while_it_is_the_old_one,
                a_password_change_ends_all_other_sign_ins,
                of_racing_password_changes_one_wins,
                an_operator_ends_all_sign_ins_and_the_password_stays,
                a_deleted_account_leaves_a_tombstone_and_a_free_name,
                a_deleted_account_can_not_sign_in,
                a_password_that_changed_since_it_was_verified_begins_nothing;
            sign_ins:
                a_token_is_valid_until_it_expires,
                an_ended_sign_in_is_never_valid_again,
                a_renewal_prolongs_the_sign_in,
                an_expired_sign_in_can_not_be_prolonged,
                somebody_elses_sign_in_can_not_be_prolonged,
                the_same_token_twice_is_refused,
                a_renewal_racing_a_logout_leaves_nothing_valid,
                revocations_are_listed_within_their_window,
                a_ticket_is_accepted_once_in_a_batch,
                of_racing_uses_of_a_ticket_one_is_accepted,
                a_ticket_of_an_ended_sign_in_is_refused;
            cookies:
                a_use_adds_a_token_and_makes_the_next_secret,
                a_secret_that_was_used_leads_to_its_successor_for_a_while,
                an_outdated_secret_ends_the_sign_in,
                a_cookie_outlives_the_tokens_and_slides,
                an_expired_cookie_is_unknown_and_ends_nothing,
                an_ended_sign_in_has_no_cookie,
                racing_uses_of_a_secret_are_all_led_to_one_successor,
                a_use_racing_a_logout_leaves_nothing_valid,
                a_sweep_keeps_what_a_cookie_keeps;
            bots:
                a_token_says_who_the_bot_is_and_what_it_may,
                a_token_ends_like_a_sign_in,
                a_person_is_no_bot,
                tokens_of_one_bot_end_together_and_nobody_elses,
                valid_tokens_are_listed_by_name;
            log:
                the_lobby_is_always_there,
                of_racing_rooms_of_one_name_one_is_made,
                rooms_are_listed_by_name_in_pages,
                numbers_follow_the_batch_without_a_gap,
                a_retry_gets_the_first_answer,
                an_id_used_for_another_text_is_a_conflict,
                the_same_id_is_free_for_others_and_elsewhere,
                a_missing_room_is_told_and_the_rest_committed,
                a_refused_row_refuses_its_batch_and_nothing_else,
                texts_come_back_as_they_were,
                pages_are_ascending_and_bounded,
                pages_chain_to_the_whole_log_in_both_directions,
                a_page_and_its_head_are_one_snapshot,
                missing_ranges_come_back_in_one_answer,
                missing_gives_every_range_at_least_one,
                heads_tell_the_id_at_a_number;
            retention:
                old_events_go_and_the_newest_of_them_stays,
                the_newest_event_of_a_room_is_never_deleted,
                pages_ranges_and_heads_end_where_the_log_begins,
                a_repeat_is_known_as_long_as_the_first_is_kept,
                steps_are_bounded_and_come_to_an_end,
                rooms_are_looked_at_in_turn,
                what_is_said_meanwhile_leaves_no_hole,
                who_claims_after_a_while_has_its_turn;
            relaying:
                who_leads_keeps_the_lead_and_each_taking_has_a_higher_number,
                without_the_lead_no_cursor_moves,
                cursors_never_go_back,
                rooms_that_are_behind_are_found_with_what_they_wait_for,
                a_look_is_bounded_and_goes_on_where_it_ended,
                a_new_sink_begins_at_the_oldest_or_now,
                sinks_know_nothing_of_each_other,
                what_was_deleted_before_it_was_told_is_stepped_over,
                of_racing_moves_none_is_lost_and_nothing_goes_back,
                what_is_put_aside_is_known_and_its_room_goes_on,
                without_the_lead_nothing_is_put_aside,
                what_was_put_aside_is_kept_in_bounds;
            histories:
                generated_histories_follow_the_model,
                concurrent_writers_leave_no_gap_and_no_double;
            upkeep:
                the_clock_advances_and_dates_messages,
                the_node_clock_follows_the_stores,
                a_healthy_store_passes_its_check,
                a_sweep_takes_what_expired_and_nothing_valid,
                a_sweep_works_in_steps_through_many_rows,
                a_closed_store_is_unavailable,
                what_was_begun_is_finished_by_closing;
        }
    };
}

contract!(embedded, crate::sqlite::fresh);
contract!(server, crate::postgres::fresh);
