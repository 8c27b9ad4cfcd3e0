use std::error::Error;
use std::future::Future;

use serde_json::{Value, json};
use tokio::time::Instant;

/// Prints one JSON line, as every scenario reports what it saw.
pub fn report(value: &Value) {
    println!("{value}");
}

/// Reports how an action ends, and after how many seconds. `kind` names the type of an error.
pub async fn outcome<T, E: Error>(
    what: &str,
    kind: impl Fn(&E) -> String,
    action: impl Future<Output = Result<T, E>>,
) {
    let start = Instant::now();
    let result = action.await;
    let mut ended = json!({ "what": what, "seconds": start.elapsed().as_secs_f64() });
    if let Err(error) = result {
        ended["type"] = kind(&error).into();
        ended["message"] = error.to_string().into();
    }
    report(&ended);
}

/// The name at the front of what `Debug` prints of an enum: its variant.
#[must_use]
pub fn variant(debug: &str) -> String {
    debug.chars().take_while(|c| c.is_alphanumeric()).collect()
}

/// A variable that the tests set for a scenario.
///
/// # Panics
///
/// If it is missing: the program was started by hand.
#[must_use]
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is missing: the interop tests set it"))
}
