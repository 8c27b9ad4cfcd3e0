//! Who may read a partition, as every SDK is told.

use eventhubs_interop::expected::{
    LOWER, NON_EPOCH, SIXTH, THEFT_EQUAL, THEFT_HIGHER, assert_expected,
};
use eventhubs_interop::{Sdk, for_every_sdk, run};
use serde_json::json;

for_every_sdk!(
    an_equal_and_a_higher_epoch_displace_the_reader,
    a_lower_and_a_missing_epoch_are_refused_and_the_reader_reads_on,
    a_sixth_reader_is_refused_and_the_five_read_on,
);

async fn an_equal_and_a_higher_epoch_displace_the_reader(sdk: Sdk) {
    let Some((emulator, reports)) = run(sdk, "theft").await else {
        return;
    };
    let [equal_reads, equal, higher_reads, higher] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!(*equal_reads, json!({ "thief_reads": "one" }));
    assert_expected(THEFT_EQUAL, sdk, equal);
    assert_eq!(*higher_reads, json!({ "thief_reads": "one" }));
    assert_expected(THEFT_HIGHER, sdk, higher);
    // One SDK does not let go: where it cannot steal back it asks again, and is refused.
    let metrics = emulator.hub_metrics("eh1");
    let asked_again = metrics.incoming_requests > metrics.successful_requests;
    assert_eq!(asked_again, sdk == Sdk::Azeventhubs, "{metrics:?}");
}

async fn a_lower_and_a_missing_epoch_are_refused_and_the_reader_reads_on(sdk: Sdk) {
    let Some((_emulator, reports)) = run(sdk, "refusal").await else {
        return;
    };
    let [lower, missing, holder] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_expected(LOWER, sdk, lower);
    assert_expected(NON_EPOCH, sdk, missing);
    assert_eq!(*holder, json!({ "holder_reads": "two" }));
}

async fn a_sixth_reader_is_refused_and_the_five_read_on(sdk: Sdk) {
    let Some((_emulator, reports)) = run(sdk, "sixth").await else {
        return;
    };
    let [sixth, five] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_expected(SIXTH, sdk, sixth);
    assert_eq!(
        *five,
        json!({ "five_read": ["two", "two", "two", "two", "two"] })
    );
}
