//! What to do when another was faster: again, on top of what it left.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// More lost races than there are while anything is well.
const MOST: u32 = 200;

/// The races that a call has lost.
#[derive(Debug, Default)]
pub(super) struct Races {
    lost: u32,
}

impl Races {
    /// One more; returns when to try again.
    ///
    /// # Errors
    /// [`ErrorKind::StoreUnavailable`] after too many.
    pub(super) async fn lost(&mut self, name: &str) -> Result<(), Error> {
        self.lost += 1;
        if self.lost > MOST {
            return Err(Error::new(
                ErrorKind::StoreUnavailable,
                format!("others have changed {name} {MOST} times in a row: try again later"),
            ));
        }
        // So that those who race do not meet again.
        let most = 1 << self.lost.min(6);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..most))).await;
        Ok(())
    }
}
