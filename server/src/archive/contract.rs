//! What every home of the archive must do, written once and run against both.

mod bench;
mod copying;
mod keeping;
#[path = "../../tests/serving/postgres.rs"]
#[expect(dead_code, reason = "what the served tests ask of it")]
mod postgresql;
mod versions;

use super::*;
use bench::{Bench, postgres, sqlite};
use copying::*;
use keeping::*;
use versions::*;

/// Runs a check against both homes.
macro_rules! both {
    ($($name:ident => $check:ident;)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $check(super::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(bench) = super::postgres().await {
                    $check(bench).await;
                }
            }
        })*
    };
}

both! {
    an_empty_database_becomes_usable_and_says_its_version => empty;
    a_copy_sent_twice_or_by_two_is_kept_once => twice;
    a_copy_is_read_by_its_owner_alone => foreign;
    a_batch_with_a_copy_that_cannot_be_kept_leaves_nothing => poison;
    a_text_with_a_nul_is_read_back_as_it_was => nul;
    a_deleted_thread_is_not_brought_back_by_a_late_copy => deleted;
    a_purge_takes_all_of_one_owner_and_nothing_of_another => purged;
    what_is_older_than_its_retention_is_dropped => expired;
    a_breaker_refuses_at_once_until_a_probe_is_answered => refused;
    an_outage_leaves_the_queue_and_drains_in_order_after_it => outage;
    a_poison_copy_goes_to_the_dead_letters_and_those_behind_it_go_on => buried;
    tables_without_a_version_are_refused_until_it_is_back => lost;
    a_version_table_of_another_program_is_refused => others;
    a_newer_schema_is_used_if_it_only_added_and_refused_if_it_took_away => newer;
    the_statements_of_the_previous_program_work_on_the_new_schema => previous;
    programs_that_migrate_at_once_bring_each_version_once => racing;
    where_a_command_migrates_the_archive_is_refused_until_it_has => commanded;
}
