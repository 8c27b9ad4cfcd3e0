use std::time::Duration;

use eventhubs_emulator::{Emulator, EmulatorBuilder};
use serde_json::Value;

use crate::{Access, Sdk};

/// The emulator that scenarios run against: TLS on, and outcomes a millisecond late.
///
/// The official Rust SDK loses an outcome that comes faster than it can register its delivery.
pub fn emulator() -> EmulatorBuilder {
    Emulator::builder()
        .tls()
        .acknowledgement_delay(Duration::from_millis(1))
}

/// Runs a scenario against a fresh emulator; `None` where the SDK is missing.
///
/// # Panics
///
/// If the emulator does not start, or the scenario fails.
pub async fn run(sdk: Sdk, scenario: &str) -> Option<(Emulator, Vec<Value>)> {
    run_with(sdk, scenario, |access| access).await
}

/// [`run`], with another access to the hub.
///
/// # Panics
///
/// If the emulator does not start, or the scenario fails.
pub async fn run_with(
    sdk: Sdk,
    scenario: &str,
    access: impl FnOnce(Access) -> Access,
) -> Option<(Emulator, Vec<Value>)> {
    if !sdk.is_installed() {
        return None;
    }
    let emulator = emulator().start().await.expect("the emulator starts");
    let access = access(Access::to(&emulator));
    let reports = sdk.run(scenario, &access).await;
    Some((emulator, reports))
}

/// Makes a test per SDK of each `async fn(Sdk)`.
#[macro_export]
macro_rules! for_every_sdk {
    ($($test:ident),+ $(,)?) => {
        $crate::for_sdks!([javascript: Javascript, python: Python, official: Official, azeventhubs: Azeventhubs] $($test),+);
    };
}

/// Makes a test per named SDK of each `async fn(Sdk)`.
#[macro_export]
macro_rules! for_sdks {
    ([$($name:ident: $sdk:ident),+] $test:ident, $($more:ident),+) => {
        $crate::for_sdks!([$($name: $sdk),+] $test);
        $crate::for_sdks!([$($name: $sdk),+] $($more),+);
    };
    ([$($name:ident: $sdk:ident),+] $test:ident) => {
        mod $test {
            $(#[tokio::test]
            async fn $name() {
                super::$test($crate::Sdk::$sdk).await;
            })+
        }
    };
}
