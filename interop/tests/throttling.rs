//! Over the ingress limit of a throughput unit, as every SDK takes it.

use std::num::NonZeroU32;

use eventhubs_interop::expected::{THROTTLED, assert_expected};
use eventhubs_interop::{Access, Sdk, emulator, for_every_sdk};

for_every_sdk!(a_throttled_batch_is_stored_once_where_the_sdk_tries_again);

async fn a_throttled_batch_is_stored_once_where_the_sdk_tries_again(sdk: Sdk) {
    if !sdk.is_installed() {
        return;
    }
    let builder = emulator().throughput_units(NonZeroU32::MIN);
    let emulator = builder.start().await.unwrap();
    let reports = sdk.run("throttled", &Access::to(&emulator)).await;
    let [first, second] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert!(first["type"].is_null(), "{first}");
    assert_expected(THROTTLED, sdk, second);
    assert!(emulator.metrics().throttled_requests > 0);
    // Python tells the refusal and does not try again; azeventhubs reports success all the same.
    let stored = match sdk {
        Sdk::Javascript | Sdk::Official => 2000,
        Sdk::Python | Sdk::Azeventhubs => 1000,
    };
    assert_eq!(emulator.event_count("eh1"), stored);
}
