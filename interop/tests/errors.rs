//! What cannot be done, as every SDK is told.

#[path = "support/forged.rs"]
mod forged;

use eventhubs_interop::expected::{
    ASK_EXPIRED, ASK_KEY, ASK_NOPE, OVERSIZE, READ_BAD, SEND_BAD, SEND_EXPIRED, SEND_KEY,
    SEND_NOPE, assert_expected, table,
};
use eventhubs_interop::{Access, Sdk, for_every_sdk, run, run_with};

for_every_sdk!(
    a_partition_that_is_not_there_is_refused,
    an_unknown_hub_is_not_found,
    a_wrong_key_is_refused,
    an_expired_token_is_refused,
    an_event_over_the_limit_is_refused_and_the_next_is_taken,
);

async fn a_partition_that_is_not_there_is_refused(sdk: Sdk) {
    let Some((emulator, reports)) = run(sdk, "bad_partition").await else {
        return;
    };
    let [sent, read] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_expected(SEND_BAD, sdk, sent);
    assert_expected(READ_BAD, sdk, read);
    assert_eq!(emulator.event_count("eh1"), 0);
}

async fn an_unknown_hub_is_not_found(sdk: Sdk) {
    attempt(sdk, |access| access.with_hub("nope"), [ASK_NOPE, SEND_NOPE]).await;
}

async fn a_wrong_key_is_refused(sdk: Sdk) {
    let forged = |access: Access| access.with_credential(forged::WRONG_KEY);
    attempt(sdk, forged, [ASK_KEY, SEND_KEY]).await;
}

async fn an_expired_token_is_refused(sdk: Sdk) {
    let late = |access: Access| access.with_credential(forged::expired_token());
    attempt(sdk, late, [ASK_EXPIRED, SEND_EXPIRED]).await;
}

/// Asks for the properties and sends, neither of which is to succeed.
async fn attempt(sdk: Sdk, access: impl FnOnce(Access) -> Access, cases: [&str; 2]) {
    let Some((emulator, reports)) = run_with(sdk, "attempt", access).await else {
        return;
    };
    assert_eq!(reports.len(), 2);
    for (case, report) in cases.into_iter().zip(&reports) {
        assert_expected(case, sdk, report);
    }
    assert_eq!(emulator.event_count("eh1"), 0);
}

async fn an_event_over_the_limit_is_refused_and_the_next_is_taken(sdk: Sdk) {
    let Some((emulator, reports)) = run(sdk, "oversize").await else {
        return;
    };
    let [large, small] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_expected(OVERSIZE, sdk, large);
    assert!(small["type"].is_null(), "{small}");
    let events = emulator.received("eh1");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].body, "small");
}

#[test]
fn the_readme_shows_the_table_that_the_tests_hold_the_sdks_to() {
    let readme = include_str!("../README.md");
    assert!(readme.contains(&table()), "the table is:\n{}", table());
}
