//! What can be set from outside, by environment variables.

use std::env::{self, VarError};

use super::Failure;

/// The emulator's port, if it is not the one that connection strings leave out.
pub(super) fn emulator_port() -> Result<u16, Failure> {
    port("EMULATOR_PORT", 5672)
}

/// The web server's port, if it is not the usual one; 0 is any free one.
pub(crate) fn web_port(usual: u16) -> Result<u16, Failure> {
    port("PORT", usual)
}

/// An event hub of yours: the connection string of its namespace and, unless
/// that names it (`EntityPath`), the hub's name.
pub(super) fn event_hub() -> Result<Option<(String, Option<String>)>, Failure> {
    let Some(connection_string) = variable("EVENTHUB_CONNECTION_STRING")? else {
        return Ok(None);
    };
    Ok(Some((connection_string, variable("EVENTHUB_NAME")?)))
}

/// The consumer group to read in, if it is not the one that every hub has.
pub(crate) fn consumer_group() -> Result<String, Failure> {
    let group = variable("EVENTHUB_CONSUMER_GROUP")?;
    Ok(group.unwrap_or_else(|| "$Default".to_owned()))
}

fn port(name: &str, usual: u16) -> Result<u16, Failure> {
    match variable(name)? {
        None => Ok(usual),
        Some(text) => text
            .parse()
            .map_err(|_| format!("{name} must be a port, from 0 to 65535").into()),
    }
}

/// A variable; one that is empty counts as not set.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8").into()),
    }
}
