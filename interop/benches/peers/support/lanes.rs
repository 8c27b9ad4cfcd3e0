//! Tasks beside each other.

use tokio::task::JoinSet;

use super::Failure;

/// Waits for all of them.
///
/// # Errors
/// The first one's that fails.
pub(crate) async fn all(mut lanes: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    while let Some(ended) = lanes.join_next().await {
        ended??;
    }
    Ok(())
}
